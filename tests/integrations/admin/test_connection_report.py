"""The page that tells staff what happened to a connection."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations import connections
from integrations.models import Connection, GrantIncident
from tests import factories
from tests.factories import ACTOR, World

LIST = "/admin/integrations/connection/"


def url_of(connection: Connection) -> str:
    return reverse("admin:integrations_connection_report", args=[connection.pk])


@pytest.fixture
def troubled(world: World) -> Connection:
    made = factories.connection(world, "customer-42")
    GrantIncident.objects.create(
        connection=made,
        at=timezone.now(),
        verdict="unknown",
        rule="an error that no rule knows",
        http_status=400,
        error="odd",
        evidence="said <script>alert(1)</script> & more",
        process="web",
        token_version=1,
    )
    connections.pause(made, actor=ACTOR)
    return made


def test_the_page_tells_the_timeline_and_holds_a_text_to_copy(boss: Client, troubled: Connection) -> None:
    page = boss.get(url_of(troubled)).content.decode()
    assert "A refresh failed (HTTP 400, odd)." in page
    assert "an error that no rule knows" in page
    assert "The partner was told connection.updated." in page
    assert "From active to paused." in page
    assert '<textarea id="safe-report"' in page
    text = page.partition('<textarea id="safe-report"')[2].partition("</textarea>")[0]
    assert str(troubled.pk) in text and "customer-42" not in text
    assert "<script>alert" not in page
    assert troubled.access_token.open().reveal() not in page


def test_a_connection_s_own_page_leads_to_it(boss: Client, troubled: Connection) -> None:
    change = reverse("admin:integrations_connection_change", args=[troubled.pk])
    assert f'href="{url_of(troubled)}"' in boss.get(change).content.decode()


def test_every_status_has_a_page(boss: Client, world: World) -> None:
    for status in ("pending", "active", "refresh_failing", "reconnect_required", "paused", "disconnected"):
        made = factories.connection(world, status, status=status, status_reason="")
        assert boss.get(url_of(made)).status_code == 200


def test_it_is_for_staff_who_may_look_at_connections(
    staff: Any, boss: Client, troubled: Connection, client: Client
) -> None:
    assert staff("view_connection").get(url_of(troubled)).status_code == 200
    assert staff("change_connection").get(url_of(troubled)).status_code == 200
    assert staff("view_integration").get(url_of(troubled)).status_code == 403
    assert staff().get(url_of(troubled)).status_code == 403
    assert client.get(url_of(troubled)).status_code == 302
    assert boss.get(f"{LIST}00000000-0000-4000-8000-000000000000/report/").status_code == 404
    assert boss.get(f"{LIST}no-uuid/report/").status_code == 404


def test_the_list_is_filtered_by_reason(boss: Client, world: World) -> None:
    factories.connection(world, "one", status="reconnect_required", status_reason="revoked_at_provider")
    factories.connection(world, "two", status="reconnect_required", status_reason="refused_repeatedly")
    factories.connection(world, "three")
    for query, count in (
        ("", 3),
        ("?reason=revoked_at_provider", 1),
        ("?reason=refused_repeatedly", 1),
        ("?reason=paused_by_staff", 0),
        ("?reason=no-such-code", 3),
    ):
        assert len(boss.get(f"{LIST}{query}").context["cl"].result_list) == count
