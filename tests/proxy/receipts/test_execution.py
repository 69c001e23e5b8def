"""Making the call: everything is asked again, the mark comes before the first byte, and passing troubles pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db import connection as database
from django.utils import timezone

from accounts import credentials
from accounts.api.problems import Problem
from accounts.models import Credential, Event, Partner
from integrations import connections
from integrations.models import Connection, Integration, IntegrationGrant
from proxy import plane as planes
from proxy import tasks
from proxy.models import Receipt, ReceiptPart
from proxy.models.receipt import State
from proxy.receipts import claims, contents, execution, outcomes
from proxy.record import Record
from tests.egress.servers import Conversation, Server, replying
from tests.factories import ACTOR, World
from tests.proxy.calls import body_of, reply
from tests.proxy.conftest import API, Serve
from tests.proxy.receipts.made import waiting
from tests.proxy.receipts.runs import OK, failing, now_of
from tests.services import free_port

pytestmark = [pytest.mark.served, pytest.mark.db]


def problem_of(made: Receipt) -> dict[str, Any]:
    stored = contents.reply_of(made.pk)
    assert stored is not None
    found: dict[str, Any] = json.loads(stored.content)
    return found


def _withdraw_permission(at: World, cust: Connection) -> None:
    Credential.objects.update(permissions=["connect"])


def _expire(at: World, cust: Connection) -> None:
    Credential.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


CHANGES: dict[str, tuple[Callable[[World, Connection], Any], int, str]] = {
    "credential revoked": (
        lambda at, cust: credentials.revoke(at.credential, actor=ACTOR),
        401,
        "not_authenticated",
    ),
    "credential expired": (_expire, 401, "not_authenticated"),
    "partner switched off": (
        lambda at, cust: Partner.objects.update(is_active=False),
        401,
        "not_authenticated",
    ),
    "permission withdrawn": (_withdraw_permission, 403, "permission_denied"),
    "integration withdrawn": (lambda at, cust: IntegrationGrant.objects.all().delete(), 404, "not_found"),
    "integration off": (lambda at, cust: Integration.objects.update(is_enabled=False), 404, "not_found"),
    "connection paused": (lambda at, cust: connections.pause(cust, actor=ACTOR), 423, "connection_paused"),
    "connection ended": (
        lambda at, cust: connections.disconnect(cust, actor=ACTOR),
        404,
        "connection_not_found",
    ),
    "grant gone": (
        lambda at, cust: Connection.objects.update(status="reconnect_required"),
        424,
        "reconnect_required",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_withdrawn_since_is_refused_and_the_provider_is_not_asked(
    at: World, cust: Connection, provider: Serve, change: str
) -> None:
    upstream = provider(replying(OK))
    made = waiting(at, cust)
    act, status, code = CHANGES[change]
    act(at, cust)
    assert tasks.run_receipts() == 1
    row = now_of(made)
    assert (row.state, row.status, row.code, row.sent_at) == (State.FAILED, status, code, None)
    assert problem_of(made)["code"] == code
    assert upstream.requests == []
    assert Event.objects.get(type="receipt.completed").data["state"] == "failed"
    assert set(ReceiptPart.objects.values_list("kind", flat=True)) == {"result"}


def test_the_destination_is_proved_anew(at: World, cust: Connection, provider: Serve) -> None:
    """The row cannot be trusted more than the call was."""
    upstream = provider(replying(OK))
    made = waiting(at, cust, url="https://evil.example/")
    tasks.run_receipts()
    assert problem_of(made)["code"] == "destination_not_allowed"
    assert upstream.requests == []


def test_the_mark_is_committed_before_the_first_byte_leaves(
    at: World, cust: Connection, settings: Any
) -> None:
    """Seen from the provider: when its connection is opened, the row says sent already."""
    seen: list[Any] = []

    def handler(conversation: Conversation) -> None:
        try:
            seen.append(Receipt.objects.values_list("state", "sent_at").get())
        finally:
            database.close()
        conversation.read_request()
        conversation.send(OK)

    server = Server(handler)
    settings.UPSTREAM_MAP = {API: f"http://127.0.0.1:{server.port}"}
    waiting(at, cust, method="POST")
    tasks.run_receipts()
    server.close()
    ((state, sent_at),) = seen
    assert (state, sent_at is not None) == (State.RUNNING, True)


def test_nothing_is_sent_when_the_mark_cannot_be_set(
    at: World, cust: Connection, provider: Serve, monkeypatch: Any
) -> None:
    upstream = provider(replying(OK))
    made = waiting(at, cust, method="POST")
    real = claims.mark_sent

    def late(claimed: claims.Claim) -> bool:
        Receipt.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        return real(claimed)

    monkeypatch.setattr(claims, "mark_sent", late)
    tasks.run_receipts()
    row = now_of(made)
    assert (row.state, row.sent_at) == (State.RUNNING, None), "left to who sees to stale ones"
    assert upstream.connections == 0
    assert not Event.objects.exists()


def test_a_limit_of_ours_puts_the_call_off_and_a_provider_that_is_away_fails_it(
    at: World, cust: Connection, settings: Any, monkeypatch: Any
) -> None:
    settings.UPSTREAM_MAP = {API: f"http://127.0.0.1:{free_port()}"}
    real = execution.forward

    async def limited(*_: Any) -> Any:
        raise Problem("circuit_open", "The provider keeps failing.", {"retryAfter": 7})

    monkeypatch.setattr(execution, "forward", limited)
    made = waiting(at, cust, method="POST")
    tasks.run_receipts()
    row = now_of(made)
    assert (row.state, row.sent_at, row.tries) == (State.PENDING, None, 0)
    assert row.not_before is not None
    assert 0 < (row.not_before - timezone.now()).total_seconds() < 8
    assert not Event.objects.exists()
    Receipt.objects.update(not_before=None, created_at=timezone.now() - execution.PATIENCE)
    tasks.run_receipts()
    assert now_of(made).state == State.PENDING, "how long it had waited for a worker does not count"
    Receipt.objects.update(not_before=None, begun_at=timezone.now() - execution.PATIENCE)
    tasks.run_receipts()
    assert (now_of(made).state, now_of(made).code) == (State.FAILED, "circuit_open")

    monkeypatch.setattr(execution, "forward", real)
    made = waiting(at, cust, method="POST")
    tasks.run_receipts()
    assert (now_of(made).state, now_of(made).code) == (State.FAILED, "upstream_unreachable")


def test_observers_are_told_of_the_call_as_of_any_other(
    at: World, cust: Connection, provider: Serve, monkeypatch: Any
) -> None:
    provider(replying(reply("201 Created", body=b"reply")))
    seen: list[Record] = []
    real = execution._record_of

    def observed(plane: planes.DataPlane, claimed: claims.Claim) -> Record:
        record = real(plane, claimed)
        assert record.observers is plane.observers
        record.observers = [seen.append]
        return record

    monkeypatch.setattr(execution, "_record_of", observed)
    made = waiting(at, cust, method="POST")
    gone = waiting(at, cust, url="https://evil.example/")
    assert tasks.run_receipts() == 2
    done, refused = sorted(seen, key=lambda record: record.status)
    assert (done.method, done.door, done.slug, done.path) == ("POST", "envelope", "hbdev", "/crm")
    assert (done.request_bytes, done.reply_bytes, done.outcome) == (4, 5, "completed")
    assert (done.partner_id, done.credential_id) == (at.partner.pk, at.credential.pk)
    assert (done.connection_id, done.request_id) == (cust.pk, made.request_id)
    assert (refused.status, refused.code, refused.outcome) == (403, "destination_not_allowed", "completed")
    assert now_of(gone).state == State.FAILED


def test_a_result_is_stored_however_often_the_database_is_away(
    at: World, cust: Connection, provider: Serve, monkeypatch: Any
) -> None:
    provider(replying(OK))
    made = waiting(at, cust, method="POST")
    failures = [OperationalError("away")] * 20
    monkeypatch.setattr(execution, "_LONGEST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(outcomes, "finish", failing(outcomes.finish, failures))
    tasks.run_receipts()
    assert (now_of(made).state, failures) == (State.COMPLETED, [])


def test_a_result_that_cannot_be_stored_at_all_is_given_up_in_the_end(
    at: World, cust: Connection, provider: Serve, monkeypatch: Any
) -> None:
    provider(replying(OK))
    made = waiting(at, cust, method="POST")
    monkeypatch.setattr(execution, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(outcomes, "finish", failing(outcomes.finish, [OperationalError("away")]))
    assert tasks.run_receipts() == 1
    assert now_of(made).state == State.RUNNING, "for who sees to stale ones"


@pytest.mark.parametrize(
    "step",
    ["_prepared", "freshen", "mark_sent", "marked, and not told so"],
    ids=lambda step: step.replace(" ", "-"),
)
@pytest.mark.parametrize("is_back_at_once", [True, False], ids=["back-at-once", "back-later"])
def test_a_database_that_is_away_before_the_call_is_sent_puts_it_off(
    at: World, cust: Connection, provider: Serve, monkeypatch: Any, step: str, is_back_at_once: bool
) -> None:
    """It is no answer to a partner, whatever the mark says: nothing has left."""
    upstream = provider(replying(OK))
    made = waiting(at, cust, method="POST")
    failures = [OperationalError("away")]
    if step == "_prepared":
        monkeypatch.setattr(execution, "_prepared", failing(execution._prepared, failures))
    elif step == "freshen":
        monkeypatch.setattr(execution.lookups, "freshen", failing(execution.lookups.freshen, failures))
    else:
        real = claims.mark_sent

        def after(claimed: claims.Claim) -> bool:
            real(claimed)
            raise failures.pop()

        monkeypatch.setattr(
            claims, "mark_sent", after if step.startswith("marked") else failing(real, failures)
        )
    if not is_back_at_once:
        monkeypatch.setattr(claims, "defer", failing(claims.defer, [OperationalError("away")] * 2))
    assert tasks.run_receipts() == 1
    row = now_of(made)
    assert (row.state, row.sent_at, row.lease_owner, row.tries) == (State.PENDING, None, None, 0)
    assert row.not_before is not None
    assert upstream.connections == 0
    assert not Event.objects.exists()
    monkeypatch.undo()
    Receipt.objects.update(not_before=None)
    tasks.run_receipts()
    assert now_of(made).state == State.COMPLETED
    assert len(upstream.requests) == 1


def test_nothing_of_request_or_reply_is_logged(
    at: World, cust: Connection, provider: Serve, caplog: Any, capfd: Any
) -> None:
    provider(replying(reply("200 OK", b"X-A: MARKER-1", body=b"MARKER-2")))
    made = waiting(at, cust, url="/crm?secret=MARKER-3", method="POST")
    tasks.run_receipts()
    assert now_of(made).state == State.COMPLETED
    assert "MARKER" not in caplog.text + "".join(capfd.readouterr())


def test_a_request_travels_as_the_envelope_wrote_it(at: World, cust: Connection, provider: Serve) -> None:
    upstream = provider(replying(OK))
    waiting(at, cust, method="POST", url="/a%2Fb?x=%20&x=+&y")
    tasks.run_receipts()
    (request,) = upstream.requests
    assert request.startswith(b"POST /a%2Fb?x=%20&x=+&y HTTP/1.1\r\n")
    assert body_of(request) == b"body"
