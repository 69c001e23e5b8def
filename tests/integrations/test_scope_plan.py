"""Who must reconnect: counts and lists against what was told, what was asked, and what scopes imply."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from integrations import scope_plan, setup
from integrations.models import Connection, IntegrationScope
from integrations.models.connection import Status
from tests import factories
from tests.factories import ACTOR, CLIENT_ID, OPTIONAL_SCOPES, SCOPES, World

pytestmark = [pytest.mark.django_db, pytest.mark.db]
NEW = "crm.objects.quotes.read"


def with_scopes(world: World, identifier: str, granted: Any, **columns: Any) -> Connection:
    made = factories.connection(world, identifier)
    Connection.objects.filter(pk=made.pk).update(granted_scopes=list(granted), **columns)
    return Connection.objects.get(pk=made.pk)


def numbers(plan: scope_plan.ScopePlan) -> dict[str, int]:
    names = ("living", "complete", "lacks_required", "lacks_optional", "untold")
    return {name: getattr(plan, name) for name in names}


def who(world: World, plan: scope_plan.ScopePlan, **page: Any) -> list[str]:
    found = scope_plan.who_must_reconnect(world.integration, plan, **{"before": None, "limit": 50, **page})
    return [row.connection.customer.foreign_identifier for row in found]


def test_connections_are_counted_by_what_they_lack(world: World) -> None:
    with_scopes(world, "all", [*SCOPES, *OPTIONAL_SCOPES, "more.than.asked"])
    with_scopes(world, "required only", SCOPES)
    with_scopes(world, "less", SCOPES[:2])
    with_scopes(world, "untold", [])
    with_scopes(world, "ended", [], status=Status.DISCONNECTED)
    with_scopes(world, "never made", [], status=Status.PENDING)
    with_scopes(world, "paused", SCOPES[:1], status=Status.PAUSED)
    plan = scope_plan.plan(world.integration)
    assert numbers(plan) == {
        "living": 5, "complete": 1, "lacks_required": 2, "lacks_optional": 2, "untold": 1,
    }  # fmt: skip
    counts = {scope.name: (scope.lacking, scope.is_optional) for scope in plan.scopes}
    assert counts["oauth"] == (0, False)
    assert counts["crm.objects.contacts.read"] == (1, False)
    assert counts["crm.objects.companies.read"] == (2, False)
    assert counts["crm.objects.deals.read"] == (4, True)
    assert sorted(who(world, plan)) == ["less", "paused"]


def test_a_provider_that_tells_nothing_granted_what_was_requested(world: World) -> None:
    """RFC 6749 section 5.1: scope is left out when it is identical to the one requested."""
    with_scopes(world, "asked", [], requested_scopes=[*SCOPES, NEW])
    with_scopes(world, "asked as optional", [], requested_optional_scopes=[NEW])
    with_scopes(world, "not asked", [])
    plan = scope_plan.plan(world.integration, required=[*SCOPES, NEW], optional=[])
    assert who(world, plan) == ["not asked"]
    assert (plan.lacks_required, plan.untold) == (1, 3)


def test_what_a_granted_scope_implies_is_not_lacking(db: Any) -> None:
    shop = factories.world(slug="shop", of=factories.integration("shop", "shopify"))
    with_scopes(shop, "writer", ["write_orders"])
    with_scopes(shop, "reader", ["read_orders"])
    plan = scope_plan.plan(shop.integration, required=["read_orders"], optional=["write_orders"])
    assert numbers(plan)["complete"] == 1
    assert (plan.lacks_required, plan.lacks_optional) == (0, 1)


def test_a_scope_that_providers_do_not_tell_is_not_lacking(db: Any) -> None:
    """offline_access shows in the refresh token, not in the list (OpenID Connect Core 1.0 section 11)."""
    xero = factories.world(slug="xero", of=factories.integration("xero", "xero"))
    with_scopes(xero, "c", ["openid"])
    plan = scope_plan.plan(xero.integration, required=["openid", "offline_access"], optional=[])
    assert plan.lacks_required == 0


def test_mandatory_scopes_are_required_whatever_is_chosen(world: World) -> None:
    with_scopes(world, "c", SCOPES[1:])
    plan = scope_plan.plan(world.integration, required=[], optional=[])
    assert (plan.required, plan.lacks_required) == (("oauth",), 1)


def test_a_scope_both_required_and_optional_is_required(world: World) -> None:
    with_scopes(world, "c", SCOPES)
    plan = scope_plan.plan(world.integration, required=[NEW], optional=[NEW])
    assert (plan.lacks_required, plan.lacks_optional) == (1, 0)


def test_widening_changes_no_connection_and_the_plan_shrinks_with_each_reconnect(world: World) -> None:
    made = with_scopes(world, "c", SCOPES)
    before = Connection.objects.values().get(pk=made.pk)
    values = setup.IntegrationValues(client_id=CLIENT_ID, app_id="1160452", required_scopes=[*SCOPES, NEW])
    setup.update(world.integration, values, actor=ACTOR)
    assert Connection.objects.values().get(pk=made.pk) == before
    assert scope_plan.plan(world.integration).lacks_required == 1
    Connection.objects.filter(pk=made.pk).update(granted_scopes=[*SCOPES, NEW])
    assert scope_plan.plan(world.integration).lacks_required == 0


def test_another_integration_of_the_same_provider_is_not_counted(world: World) -> None:
    other = factories.world("Globex", of=factories.integration("hbtwo"))
    with_scopes(other, "theirs", SCOPES[:1])
    assert scope_plan.plan(world.integration).living == 0


def test_pages_continue_where_the_last_ended(world: World) -> None:
    made = [with_scopes(world, f"c{n}", SCOPES[:1]) for n in range(5)]
    Connection.objects.update(created_at=made[0].created_at)  # adopted together: the id decides
    plan = scope_plan.plan(world.integration)
    seen: list[str] = []
    before = None
    while page := scope_plan.who_must_reconnect(world.integration, plan, before=before, limit=2):
        seen += [row.connection.customer.foreign_identifier for row in page]
        before = (page[-1].connection.created_at, page[-1].connection.pk)
    assert sorted(seen) == [f"c{n}" for n in range(5)]
    assert page == []


def test_counting_reads_one_row_for_each_different_grant(world: World) -> None:
    for n in range(12):
        with_scopes(world, f"c{n}", SCOPES[: 1 + n % 3])
    integration = type(world.integration).objects.prefetch_related("scopes").get(pk=world.integration.pk)
    with CaptureQueriesContext(
        database,
    ) as queries:
        plan = scope_plan.plan(integration)
    assert len(queries) == 1
    assert "GROUP BY" in queries[0]["sql"]
    assert plan.living == plan.lacks_required == 12


def test_the_rarest_of_very_many_different_grants_are_left_out_of_the_list_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope_plan, "_MOST_GRANTS", 1)
    for n in range(3):
        with_scopes(world, f"common{n}", SCOPES[:1])
    with_scopes(world, "rare", SCOPES[:2])
    plan = scope_plan.plan(world.integration)
    assert plan.is_list_partial
    assert plan.lacks_required == 4
    assert sorted(who(world, plan)) == ["common0", "common1", "common2"]


def test_a_provider_that_left_the_catalogue_is_counted_by_name(world: World) -> None:
    with_scopes(world, "c", SCOPES[:1])
    world.integration.provider_id = "gone"
    IntegrationScope.objects.filter(integration=world.integration).exclude(scope="oauth").delete()
    plan = scope_plan.plan(world.integration, required=["oauth", NEW], optional=[])
    assert plan.lacks_required == 1
