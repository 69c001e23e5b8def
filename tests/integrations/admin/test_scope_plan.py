"""The page "Scope plan": who may see it, what it counts, and the preview before saving."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations.admin import scope_plan as page_of_plan
from integrations.models import Connection, IntegrationScope
from tests import factories
from tests.factories import CLIENT_ID, SCOPES, World
from tests.integrations.admin.test_integration import change_url, text

NEW = "crm.objects.quotes.read"


def url_of(world: World) -> str:
    return reverse("admin:integrations_integration_scope_plan", args=[world.integration.pk])


@pytest.fixture
def three(world: World) -> list[Connection]:
    """Two that have the required scopes, one that has not."""
    made = [factories.connection(world, f"tenant-{n}") for n in range(3)]
    Connection.objects.filter(pk=made[0].pk).update(granted_scopes=list(SCOPES[:2]))
    return made


def widen(world: World) -> None:
    IntegrationScope.objects.create(integration=world.integration, scope=NEW)


def form_of(world: World) -> dict[str, Any]:
    return {
        "display_name": "",
        "environment": "",
        "is_enabled": "on",
        "client_id": CLIENT_ID,
        "client_secret": "typed-and-not-looked-at",
        "app_id": "1160452",
        "scopes": [*SCOPES[1:], NEW],
    }


# --- who ----------------------------------------------------------------------------------------------------
def test_nobody_is_sent_to_the_sign_in_page(world: World) -> None:
    for response in (Client().get(url_of(world)), Client().post(url_of(world), form_of(world))):
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/admin/login/?next=")


def test_staff_without_rights_see_nothing(world: World, staff: Any) -> None:
    client = staff("view_connection")
    assert client.get(url_of(world)).status_code == 403
    assert client.post(url_of(world), form_of(world)).status_code == 403


def test_staff_who_may_view_see_the_counts_and_preview_nothing(
    world: World, staff: Any, three: list[Connection]
) -> None:
    client = staff("view_integration")
    page = text(client.get(url_of(world)))
    assert "1 of 3 living connections lacks" in page
    assert str(three[0].pk) not in page
    assert "You may not see connections" in page
    assert client.post(url_of(world), form_of(world)).status_code == 403


def test_staff_who_may_view_connections_see_which(world: World, staff: Any, three: list[Connection]) -> None:
    page = text(staff("view_integration", "view_connection").get(url_of(world)))
    assert str(three[0].pk) in page
    assert str(three[1].pk) not in page
    assert reverse("admin:integrations_connection_change", args=[three[0].pk]) in page
    assert reverse("admin:accounts_partner_change", args=[world.partner.pk]) not in page


def test_an_integration_that_is_not_there_is_not_found(boss: Client, world: World) -> None:
    url = url_of(world).replace(str(world.integration.pk), "00000000-0000-4000-8000-000000000000")
    assert boss.get(url).status_code in {302, 404}
    assert boss.put(url_of(world)).status_code == 405


# --- what ---------------------------------------------------------------------------------------------------
def test_widening_shows_who_must_reconnect_and_where_they_are(
    world: World, boss: Client, three: list[Connection]
) -> None:
    widen(world)
    page = text(boss.get(url_of(world)))
    assert (
        f"3 of 3 living connections lack crm.objects.contacts.write, crm.objects.companies.read, {NEW}"
        in page
    )
    for made in three:
        assert reverse("admin:integrations_connection_change", args=[made.pk]) in page
    assert reverse("admin:accounts_partner_change", args=[world.partner.pk]) in page
    row = re.search(rf'<code class="pb-code">{NEW}</code>.*?</tr>', page, re.S)
    assert row is not None and "<td>3</td>" in row[0] and "required" in row[0]
    assert "reconnectUrl" in page


def test_nothing_to_do_is_said_plainly(world: World, boss: Client) -> None:
    assert "Nobody has connected yet." in text(boss.get(url_of(world)))
    factories.connection(world)
    page = text(boss.get(url_of(world)))
    assert "The one living connection has every required scope." in page
    assert "What to do" not in page


def test_the_list_is_paged(
    world: World, boss: Client, three: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    widen(world)
    monkeypatch.setattr(page_of_plan, "PAGE_ROWS", 2)
    first = text(boss.get(url_of(world)))
    older = re.search(r'href="(\?before=[^"]+)">Older', first)
    assert older is not None
    second = text(boss.get(url_of(world) + older[1].replace("&amp;", "&")))
    on_first, on_second = ([str(row.pk) in page for row in three] for page in (first, second))
    assert [a != b for a, b in zip(on_first, on_second, strict=True)] == [True] * 3
    assert "Older" not in second


@pytest.mark.parametrize("before", ["", "x", "2026-01-01_x", "2026-01-01T00:00:00_" + "0" * 32, "_" * 300])
def test_a_place_that_is_none_of_ours_is_the_start(
    world: World, boss: Client, three: list[Connection], before: str
) -> None:
    response = boss.get(url_of(world), {"before": before})
    assert response.status_code == 200
    assert str(three[0].pk) in text(response)


def test_the_integration_s_page_leads_to_its_plan(world: World, boss: Client) -> None:
    page = text(boss.get(change_url(world.integration)))
    assert page.count(url_of(world)) == 2
    assert "Preview the scope plan" in page
    assert page.index('name="_save"') < page.index("Preview the scope plan")  # Enter saves, as ever


# --- before and after saving --------------------------------------------------------------------------------
def test_a_preview_counts_and_saves_nothing(world: World, boss: Client, three: list[Connection]) -> None:
    before = set(IntegrationScope.objects.values_list("scope", "is_optional"))
    page = text(boss.post(url_of(world), form_of(world)))
    assert "3 of 3 living connections lack" in page
    assert "would have to reconnect" in page
    assert "Nothing is saved." in page
    assert "typed-and-not-looked-at" not in page
    assert set(IntegrationScope.objects.values_list("scope", "is_optional")) == before


def test_a_preview_tells_optional_from_required(world: World, boss: Client, three: list[Connection]) -> None:
    form = form_of(world) | {"scopes_optional": [*SCOPES[1:], NEW]}
    page = text(boss.post(url_of(world), form))
    assert "All 3 living connections have every required scope." in page


def test_saving_wider_scopes_says_who_must_reconnect(
    world: World, boss: Client, three: list[Connection]
) -> None:
    form = form_of(world) | {"client_secret": ""}
    response = boss.post(change_url(world.integration), form, follow=True)
    assert "3 of 3 living connections lack" in text(response)
    assert url_of(world) in text(response)
    assert set(Connection.objects.values_list("status", flat=True)) == {"active"}


def test_saving_anything_else_says_nothing_of_it(world: World, boss: Client, three: list[Connection]) -> None:
    stored = {"scopes": [*SCOPES[1:], "crm.objects.deals.read", "crm.objects.deals.write"]}
    stored["scopes_optional"] = ["crm.objects.deals.read", "crm.objects.deals.write"]
    form = form_of(world) | stored | {"client_secret": "", "display_name": "Our CRM"}
    page = text(boss.post(change_url(world.integration), form, follow=True))
    assert "living connections lack" not in page


def test_the_strict_policy_holds(world: World, boss: Client, three: list[Connection]) -> None:
    page = text(boss.get(url_of(world)))
    assert " style=" not in page and "<style" not in page and "<script>" not in page


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_position_beyond_the_calendar_begins_at_the_start_and_is_no_500(
    world: World, three: list[Connection], boss: Client, at: str
) -> None:
    response = boss.get(url_of(world), {"before": f"{at}_{three[0].pk}"})
    assert response.status_code == 200
