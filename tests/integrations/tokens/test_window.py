"""What can be lost between a provider's reply and the row: one UPDATE, and nothing that follows it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, InternalError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import connect, connections, states, tokens
from integrations.connect import LinkRequest
from integrations.models import Connection, GrantIncident
from integrations.models.connection import Status
from integrations.tokens import lease, outcomes
from integrations.tokens.refresh import load
from tests.factories import ACTOR, World
from tests.integrations.connect.conftest import Browser
from tests.integrations.tokens.conftest import MakeConnection, expire, fail_token_endpoint, refreshes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.db]


class Killed(BaseException):
    """As if the process had ended here: nothing catches it."""


def refresh(made: Connection) -> None:
    row = load(made.pk)
    owner = lease.take(row.pk, token_version=row.token_version)
    assert owner is not None
    outcomes.refresh_under_lease(row, owner=owner, clock=timezone.now)


def failing(made: Connection, sandbox: Any) -> None:
    """Let one refresh fail, then let the back-off be over."""
    fail_token_endpoint(sandbox, status=503, body="")
    refresh(made)
    Connection.objects.filter(pk=made.pk).update(refresh_not_before=None)
    assert Connection.objects.get(pk=made.pk).status == Status.REFRESH_FAILING


def told(made: Connection, kind: str) -> int:
    return Event.objects.filter(connection_id=made.pk, type=f"connection.{kind}").count()


def test_an_ordinary_refresh_is_stored_by_one_update_that_commits_by_itself(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    row = load(made.pk)
    owner = lease.take(row.pk, token_version=row.token_version)
    assert owner is not None
    with CaptureQueriesContext(
        connection,
    ) as captured:
        outcomes.refresh_under_lease(row, owner=owner, clock=timezone.now)
    statements = [query["sql"].split(maxsplit=1)[0].upper() for query in captured.captured_queries]
    assert statements == ["UPDATE"]
    stored = Connection.objects.get(pk=made.pk)
    assert (stored.token_version, stored.lease_owner) == (made.token_version + 1, None)


def test_nothing_precedes_the_update_when_more_must_follow(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    failing(made, at_sandbox)
    row = load(made.pk)
    owner = lease.take(row.pk, token_version=row.token_version)
    assert owner is not None
    with CaptureQueriesContext(connection) as captured:
        outcomes.refresh_under_lease(row, owner=owner, clock=timezone.now)
    first = captured.captured_queries[0]["sql"]
    assert first.startswith("UPDATE") and "token_version" in first
    assert told(made, "recovered") == 1


def test_a_process_that_dies_after_the_update_loses_no_token_and_the_recovery_is_told_later(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_sandbox.control("PATCH", "/_control/behaviour", {"rotateRefreshTokens": True})
    made = connected(expired=True)
    failing(made, at_sandbox)
    with monkeypatch.context() as patched:
        patched.setattr(states, "recover", lambda *args, **kwargs: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            refresh(made)
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.token_version) == (Status.REFRESH_FAILING, made.token_version + 1)
    assert row.refresh_token.open().reveal() != made.refresh_token.open().reveal()
    assert told(made, "recovered") == 0
    assert outcomes.finish_recovery(load(made.pk)) is True
    assert outcomes.finish_recovery(load(made.pk)) is False
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE
    assert told(made, "recovered") == 1


def test_the_next_refresh_tells_a_recovery_that_nobody_told(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connected(expired=True)
    failing(made, at_sandbox)
    with monkeypatch.context() as patched:
        patched.setattr(states, "recover", lambda *args, **kwargs: False)
        refresh(made)
    assert Connection.objects.get(pk=made.pk).status == Status.REFRESH_FAILING
    expire(made.pk)
    refresh(made)
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE
    assert told(made, "recovered") == 1


def test_a_row_that_is_failing_now_is_not_taken_for_a_recovery(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    failing(made, at_sandbox)
    assert outcomes.finish_recovery(load(made.pk)) is False
    assert states.recover(made.pk, actor=ACTOR) is False
    assert Connection.objects.get(pk=made.pk).status == Status.REFRESH_FAILING


def test_a_database_that_fails_after_the_update_costs_the_caller_nothing(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connected(expired=True)
    failing(made, at_sandbox)

    def broken(*args: Any, **kwargs: Any) -> bool:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(states, "recover", broken)
        token = tokens.ensure_fresh(made.pk)
    assert token.version == made.token_version + 1
    assert len(refreshes(at_sandbox)) == 2
    assert outcomes.finish_recovery(load(made.pk)) is True


def test_a_commit_whose_answer_was_lost_counts_as_stored(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connected(expired=True)
    failing(made, at_sandbox)
    real, calls = outcomes.store, []

    def store(*args: Any, **kwargs: Any) -> bool:
        calls.append(real(*args, **kwargs))
        if len(calls) == 1:
            raise OperationalError("the connection broke after the commit")
        return calls[-1]

    monkeypatch.setattr(outcomes, "store", store)
    monkeypatch.setattr(outcomes, "_STORE_WAITS", (0.01,))
    refresh(made)
    assert calls == [True, True]
    assert told(made, "recovered") == 1


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, InternalError])
def test_ref_03_a_database_that_takes_no_writes_for_a_moment_does_not_lose_the_rotated_pair(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    made = connected(expired=True)
    real, calls = outcomes.store, []

    def store(*args: Any, **kwargs: Any) -> bool:
        calls.append(args)
        if len(calls) == 1:
            raise error("cannot execute UPDATE in a read-only transaction")
        return real(*args, **kwargs)

    monkeypatch.setattr(outcomes, "store", store)
    monkeypatch.setattr(outcomes, "_STORE_WAITS", (0.01,))
    assert tokens.ensure_fresh(made.pk).version == made.token_version + 1
    assert (len(calls), len(refreshes(at_sandbox))) == (2, 1)


def test_a_recovery_during_a_pause_is_an_event_and_the_pause_holds(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    failing(made, at_sandbox)
    in_flight = load(made.pk)
    owner = lease.take(made.pk, token_version=in_flight.token_version)
    assert owner is not None
    connections.pause(made, actor=ACTOR)
    outcomes.refresh_under_lease(in_flight, owner=owner, clock=timezone.now)
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.status_before_pause) == (Status.PAUSED, Status.ACTIVE)
    event = Event.objects.get(connection_id=made.pk, type="connection.recovered")
    assert event.data["status"] == "paused"
    entry = AuditEntry.objects.get(object_id=str(made.pk), action="connection.recovered")
    assert entry.changes == {"status_before_pause": ["refresh_failing", "active"]}
    assert connections.resume(made, actor=ACTOR).status == Status.ACTIVE
    assert told(made, "recovered") == 1


def test_ops_07_a_refresh_inside_a_transaction_is_refused_before_a_token_is_spent(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        tokens.ensure_fresh(made.pk)
    assert refreshes(at_sandbox) == []
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.lease_owner, row.token_version) == (Status.ACTIVE, None, made.token_version)


def test_ops_07_a_code_is_not_spent_inside_a_transaction_and_serves_after_it(
    world: World, at_sandbox: Any
) -> None:
    wanted = LinkRequest(foreign_identifier="customer-1")
    new, browser = connect.create_link(world.partner, world.integration, wanted, actor=ACTOR), Browser()
    query = browser.consent(browser.leave(new))
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        browser.come_back(query)
    assert at_sandbox.control("GET", "/_control/requests?path=/oauth/2026-09/token") == []
    assert browser.come_back(query).outcome == "connected"


def test_ops_07_a_failure_is_kept_although_the_caller_s_next_transaction_rolls_back(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    fail_token_endpoint(at_sandbox, status=400, body={"error": "invalid_grant"})
    refresh(made)
    with transaction.atomic():
        Connection.objects.filter(pk=made.pk).update(name="undone")
        transaction.set_rollback(True)
    assert Connection.objects.get(pk=made.pk).status == Status.RECONNECT_REQUIRED
    assert GrantIncident.objects.filter(connection=made).count() == 1
    assert told(made, "reconnect_required") == 1


def test_ref_06_a_loser_leaves_no_trace_on_what_the_winner_stored(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    stale = load(made.pk)
    owner = lease.take(made.pk, token_version=stale.token_version)
    assert owner is not None
    Connection.objects.filter(pk=made.pk).update(
        token_version=stale.token_version + 1,
        access_token_expires_at=timezone.now() + timedelta(minutes=30),
    )
    for fault in ({"status": 400, "body": {"error": "invalid_grant"}}, {"status": 503, "body": ""}):
        fail_token_endpoint(at_sandbox, **fault)
        outcomes.refresh_under_lease(stale, owner=owner, clock=timezone.now)
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.refresh_not_before, row.refresh_failures) == (Status.ACTIVE, None, 0)
    assert not GrantIncident.objects.exists()
