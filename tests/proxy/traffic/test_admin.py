"""The traffic log in the admin: found, filtered, drawn, and changed by nobody."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from proxy.admin import paging
from proxy.models import TrafficEntry
from tests import factories
from tests.factories import World
from tests.integrations.admin.conftest import StaffClient
from tests.proxy.traffic.records import record, store

pytestmark = [pytest.mark.django_db, pytest.mark.db]
LIST = "/admin/proxy/trafficentry/"


def keep(world: World, *, hours_ago: float = 0.1, **values: Any) -> TrafficEntry:
    began_at = (timezone.now() - timedelta(hours=hours_ago)).timestamp()
    store(
        [record(partner_id=world.partner.pk, credential_id=world.credential.pk, began_at=began_at, **values)]
    )
    return (
        TrafficEntry.objects.order_by("-pk")[0]
        if hours_ago <= 0.1
        else TrafficEntry.objects.order_by("pk")[0]
    )


def listed(client: Client, **query: str) -> list[str]:
    response = client.get(LIST, query)
    assert response.status_code == 200, response.content[:300]
    return [entry.request_id for entry in response.context["cl"].result_list]


def test_staff_may_look_and_nobody_may_do_more(staff: StaffClient, world: World) -> None:
    entry = keep(world)
    page = reverse("admin:proxy_trafficentry_change", args=[entry.pk])
    viewer, stranger = staff("view_trafficentry"), staff("view_partner")
    boss = staff(is_superuser=True)
    for client in (viewer, boss):
        assert client.get(LIST).status_code == client.get(page).status_code == 200
        assert client.post(page, {"path": "/x"}).status_code == 403
        assert client.get(f"{LIST}add/").status_code == 403
        assert client.get(f"{page[:-7]}delete/").status_code == 403
        assert client.post(
            LIST, {"action": "delete_selected", "_selected_action": str(entry.pk)}
        ).status_code in {
            200,
            302,
        }
    assert stranger.get(LIST).status_code == stranger.get(page).status_code == 403
    assert Client().get(LIST).status_code == 302
    assert TrafficEntry.objects.count() == 1


def test_a_call_is_found_by_what_support_is_told(boss: Client, world: World) -> None:
    connection = factories.connection(world, "tenant-42")
    mine = keep(world, hours_ago=50, connection_id=connection.pk, request_id="ab" * 16)
    keep(world, request_id="cd" * 16)
    assert listed(boss, q="ab" * 16) == ["ab" * 16]
    assert listed(boss, q=f" {connection.pk} ") == ["ab" * 16]
    assert listed(boss, q=str(mine.pk)) == ["ab" * 16]
    for unknown in ("ef" * 16, "nonsense"):
        assert listed(boss, q=unknown) == []


def test_the_list_shows_the_last_day_unless_asked_for_more(boss: Client, world: World) -> None:
    for name, hours_ago in (("now", 0.1), ("today", 3), ("week", 100), ("older", 400)):
        keep(world, hours_ago=hours_ago, request_id=name)
    assert listed(boss) == ["now", "today"]
    assert listed(boss, span="hour") == ["now"]
    assert listed(boss, span="week") == ["now", "today", "week"]
    assert listed(boss, span="all") == ["now", "today", "week", "older"]
    assert listed(boss, span="nonsense") == ["now", "today"]


def test_each_filter_finds_what_it_says(boss: Client, world: World) -> None:
    other = factories.world("Other", "sfdev")
    keep(world, request_id="good")
    keep(world, request_id="refused", status=503, code="saturated", door="envelope")
    keep(world, request_id="left", status=0, outcome="partner_gone")
    keep(other, request_id="other", slug="sfdev")
    for query, found in (
        ({"status_class": "2"}, {"good", "other"}),
        ({"status_class": "5"}, {"refused"}),
        ({"status_class": "0"}, {"left"}),
        ({"status_class": "9"}, {"good", "refused", "left", "other"}),
        ({"outcome": "partner_gone"}, {"left"}),
        ({"door": "envelope"}, {"refused"}),
        ({"slug": "sfdev"}, {"other"}),
        ({"partner__id__exact": str(world.partner.pk)}, {"good", "refused", "left"}),
        ({"partner__id__exact": str(other.partner.pk), "status_class": "2"}, {"other"}),
    ):
        assert set(listed(boss, **query)) == found, query


def test_the_page_shows_every_field_and_leads_to_the_connection(boss: Client, world: World) -> None:
    connection = factories.connection(world, "tenant-42")
    entry = keep(
        world, connection_id=connection.pk, query="limit=5&email=a@b.example", retries=2, is_refreshed=True
    )
    page = boss.get(reverse("admin:proxy_trafficentry_change", args=[entry.pk])).content.decode()
    for text in (
        entry.request_id,
        "/crm/v3/objects/contacts",
        "limit=5&amp;email=***",
        "(1,024 bytes)",
        "tenant-42",
    ):
        assert text in page
    assert reverse("admin:integrations_connection_change", args=[connection.pk]) in page
    assert f"{LIST}?q={connection.pk}" in page
    of_connection = boss.get(
        reverse("admin:integrations_connection_change", args=[connection.pk])
    ).content.decode()
    assert f"{LIST}?q={connection.pk}" in of_connection


def test_what_an_entry_names_may_be_gone(boss: Client, world: World) -> None:
    connection = factories.connection(world)
    entry = keep(world, connection_id=connection.pk)
    former = connection.pk
    connection.delete()
    assert len(listed(boss)) == 1
    page = boss.get(reverse("admin:proxy_trafficentry_change", args=[entry.pk])).content.decode()
    assert f"{former} (gone)" in page


def test_the_chart_is_of_the_partner_and_integration_that_are_looked_at(boss: Client, world: World) -> None:
    other = factories.world("Other", "sfdev")
    for _ in range(3):
        keep(world)
    keep(other, slug="sfdev", status=502)
    for query, calls, classes in (
        ({}, 4, {2: 3, 5: 1}),
        ({"partner__id__exact": str(other.partner.pk)}, 1, {5: 1}),
        ({"slug": "hbdev"}, 3, {2: 3}),
        ({"slug": "nonsense"}, 0, {}),
        ({"partner__id__exact": "nonsense"}, None, None),
    ):
        response = boss.get(LIST, query)
        if calls is None:
            assert response.status_code == 302  # Django's own answer to a filter that cannot be
            continue
        chart = response.context["chart"]
        assert (chart.total.calls, chart.total.by_class) == (calls, classes)
    assert "chart" not in boss.get(LIST, {"q": "x"}).context


def test_the_chart_is_svg_without_style_or_script_in_every_language(boss: Client, world: World) -> None:
    keep(world)
    keep(world, hours_ago=5, status=404, ended=100.345)
    page = boss.get(LIST, headers={"Accept-Language": "de"}).content.decode()
    charts = re.findall(r"<svg class=\"pb-traffic__chart\".*?</svg>", page, re.DOTALL)
    assert len(charts) == 2
    assert charts[0].count("pb-traffic__bar--good") == charts[0].count("pb-traffic__bar--warn") == 1
    assert "style=" not in page.partition("<main")[2] and "<script>" not in page
    for number in re.findall(r' (?:x|y|width|height)="([^"]*)"', "".join(charts)):
        float(number)


@pytest.mark.parametrize("span", ["hour", "day", "week", "all"])
def test_a_chart_of_any_span_has_few_columns(boss: Client, world: World, span: str) -> None:
    keep(world)
    columns = boss.get(LIST, {"span": span}).context["chart"].columns
    assert 24 <= len(columns) <= 60
    assert sum(column.hour.calls for column in columns) == 1


def test_the_list_counts_no_more_than_it_pages(
    boss: Client, world: World, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(paging, "MAX_COUNTED", 60)
    store([record(partner_id=world.partner.pk) for _ in range(70)])
    with django_assert_max_num_queries(12) as captured:
        response = boss.get(LIST)
    assert response.context["cl"].result_count == 60
    counts = [query["sql"] for query in captured.captured_queries if "trafficentry" in query["sql"].lower()]
    assert any("COUNT(*)" in sql and "LIMIT 60" in sql for sql in counts)
    assert not any("COUNT(*)" in sql and "LIMIT" not in sql for sql in counts)
