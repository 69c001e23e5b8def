"""Pausing and resuming, whatever happens to the connection at the same moment."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry, Event
from integrations import connections, tokens
from integrations.errors import ConnectionNotFound
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.oauth.members import Members
from integrations.oauth.token_response import TokenResponse
from integrations.tokens import outcomes
from integrations.tokens.refresh import load
from tests import factories
from tests.factories import ACTOR, World

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def row_of(made: Connection) -> Connection:
    return Connection.objects.get(pk=made.pk)


@pytest.mark.parametrize("meanwhile", [Status.REFRESH_FAILING, Status.RECONNECT_REQUIRED])
def test_a_pause_holds_also_when_the_status_changed_after_it_was_read(
    world: World, meanwhile: Status
) -> None:
    made = factories.connection(world)
    Connection.objects.filter(pk=made.pk).update(status=meanwhile, status_reason="provider_unavailable")
    paused = connections.pause(made, actor=ACTOR)
    assert (paused.status, paused.status_before_pause) == (Status.PAUSED, meanwhile)
    assert AuditEntry.objects.filter(action="connection.paused").count() == 1


def test_a_pause_holds_when_a_refresh_changes_the_status_between_look_and_update(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = factories.connection(world)
    original, calls = connections.use.states.change, []

    def change(connection_id: Any, **kwargs: Any) -> bool:
        calls.append(kwargs["only_if"])
        if len(calls) == 1:
            Connection.objects.filter(pk=connection_id).update(status=Status.REFRESH_FAILING)
        return original(connection_id, **kwargs)

    monkeypatch.setattr(connections.use.states, "change", change)
    assert connections.pause(made, actor=ACTOR).status == Status.PAUSED
    assert len(calls) == 2


def test_a_connection_that_ended_meanwhile_is_not_there_to_be_paused(world: World) -> None:
    made = factories.connection(world)
    connections.disconnect(made, actor=ACTOR)
    for act in (connections.pause, connections.resume):
        with pytest.raises(ConnectionNotFound):
            act(made, actor=ACTOR)
    assert row_of(made).status == Status.DISCONNECTED


def test_what_was_broken_before_the_pause_is_broken_for_the_same_reason(world: World) -> None:
    made = factories.connection(
        world,
        status=Status.RECONNECT_REQUIRED,
        status_reason="revoked_at_provider",
        status_evidence="HTTP 400",
    )
    assert connections.pause(made, actor=ACTOR).status_reason == "paused_by_staff"
    resumed = connections.resume(row_of(made), actor=ACTOR)
    assert (resumed.status, resumed.status_reason) == (Status.RECONNECT_REQUIRED, "revoked_at_provider")
    assert (resumed.status_evidence, resumed.reason_before_pause) == ("HTTP 400", "")
    told = Event.objects.order_by("-occurred_at")[0].data
    assert told["statusReason"]["code"] == "revoked_at_provider"


def test_a_refresh_that_works_during_the_pause_is_remembered(world: World) -> None:
    made = factories.connection(world, status=Status.REFRESH_FAILING, status_reason="provider_unavailable")
    connections.pause(made, actor=ACTOR)
    response = TokenResponse(
        access_token="renewed-access-token",
        refresh_token=None,
        token_type="bearer",
        expires_in=1800,
        refresh_token_expires_in=None,
        scopes=None,
        raw={},
        members=Members({}),
    )
    assert outcomes.store(load(made.pk), response, now=made.token_stored_at)
    resumed = connections.resume(row_of(made), actor=ACTOR)
    assert (resumed.status, resumed.status_reason) == (Status.ACTIVE, "")
    assert tokens.open_tokens(resumed)["access_token"] == "renewed-access-token"
