"""What a refresh tells of scopes: stored, compared, and told once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from accounts.models import AuditEntry, Event
from integrations import scope_changes, tokens
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.representation import connection_data
from tests import factories
from tests.factories import ACTOR, OPTIONAL_SCOPES, SCOPES, World
from tests.integrations.connect.conftest import play_hubspot
from tests.provider_server import ProviderServer

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def made(world: World, granted: Sequence[str] = SCOPES, **columns: Any) -> Connection:
    connection = factories.connection(world)
    Connection.objects.filter(pk=connection.pk).update(granted_scopes=list(granted), **columns)
    return row(connection)


def row(connection: Connection) -> Connection:
    return Connection.objects.select_related("integration", "customer", "partner").get(pk=connection.pk)


def refreshed(before: Connection, granted: Sequence[str] | None) -> Connection:
    """As the refresh stores it, in its transaction."""
    if granted is not None:
        Connection.objects.filter(pk=before.pk).update(granted_scopes=list(granted))
    scope_changes.tell(before, granted, actor=ACTOR)
    return row(before)


def events() -> list[dict[str, Any]]:
    return [event.data for event in Event.objects.filter(type="connection.updated").order_by("occurred_at")]


def test_a_required_scope_that_is_gone_is_told_once_with_its_reason(world: World) -> None:
    after = refreshed(made(world), SCOPES[:-1])
    assert (after.status, after.status_reason) == (Status.ACTIVE, "scope_withdrawn")
    (told,) = events()
    assert told["missingScopes"] == [SCOPES[-1]]
    assert told["statusReason"]["code"] == "scope_withdrawn"
    assert told["reconnectUrl"] and connection_data(after)["reconnectUrl"]
    changes = AuditEntry.objects.get(action="connection.scopes_changed").changes
    assert changes == {"lost": [SCOPES[-1]], "gained": []}
    refreshed(after, SCOPES[:-1])
    assert len(events()) == 1


def test_the_reason_goes_when_the_scope_is_back(world: World) -> None:
    after = refreshed(refreshed(made(world), SCOPES[:-1]), SCOPES)
    assert after.status_reason == ""
    assert [event["missingScopes"] for event in events()] == [[SCOPES[-1]], []]


def test_an_optional_scope_that_is_gone_is_told_without_a_reason(world: World) -> None:
    before = made(world, [*SCOPES, *OPTIONAL_SCOPES], requested_optional_scopes=list(OPTIONAL_SCOPES))
    after = refreshed(before, SCOPES)
    assert after.status_reason == ""
    (told,) = events()
    assert told["missingScopes"] == list(OPTIONAL_SCOPES)
    assert "reconnectUrl" not in told


@pytest.mark.parametrize(
    "granted",
    [None, SCOPES, [*reversed(SCOPES)], [*SCOPES, SCOPES[0]]],
    ids=["none", "same", "order", "twice"],
)
def test_what_is_the_same_is_not_told(world: World, granted: Sequence[str] | None) -> None:
    refreshed(made(world), granted)
    assert events() == []
    assert not AuditEntry.objects.filter(action="connection.scopes_changed").exists()


def test_a_provider_that_begins_to_tell_what_was_asked_tells_no_news(world: World) -> None:
    """Also when it tells more than was asked; less is a change."""
    assert refreshed(made(world, []), [*SCOPES, "extra.scope"]).granted_scopes == [*SCOPES, "extra.scope"]
    assert events() == []
    Connection.objects.all().delete()
    refreshed(made(world, []), SCOPES[:-1])
    assert len(events()) == 1


def test_a_scope_that_another_implies_is_not_lost(db: Any) -> None:
    shop = factories.world(slug="shop", of=factories.integration("shop", "shopify"))
    refreshed(made(shop, ["read_orders", "write_orders"]), ["write_orders"])
    assert events() == []


def test_a_reason_that_matters_more_stays(world: World) -> None:
    before = made(world, status=Status.PAUSED, status_reason="paused_by_partner")
    assert refreshed(before, SCOPES[:1]).status_reason == "paused_by_partner"
    assert len(events()) == 1


@pytest.mark.parametrize(
    "told",
    [list(SCOPES[:-1]), " ".join(SCOPES[:-1])],
    ids=["array", "text"],
)
def test_a_refresh_that_narrows_the_grant_is_told_however_it_is_written(
    world: World, provider_server: ProviderServer, told: Any
) -> None:
    before = made(world)
    reply = {"access_token": "C2", "token_type": "bearer", "expires_in": 1800, "refresh_token": "r2"}
    play_hubspot(provider_server, {**reply, "scopes": told}, {**reply, "scopes": told}, reply)
    after = tokens.refresh_now(before.pk)
    assert (after.status, after.status_reason) == (Status.ACTIVE, "scope_withdrawn")
    assert after.granted_scopes == list(SCOPES[:-1])
    for _ in range(2):  # the same again, and nothing told
        tokens.refresh_now(before.pk)
    assert [event["missingScopes"] for event in events()] == [[SCOPES[-1]]]
    assert row(before).granted_scopes == list(SCOPES[:-1])
