"""When a receipt's content goes."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import purging
from accounts.models import Event
from integrations import connections
from integrations.models import Connection
from integrations.models.connection import Status
from proxy import tasks
from proxy.models import Receipt, ReceiptPart
from proxy.models.receipt import PartKind, State
from proxy.receipts import claims, contents, ending, outcomes
from proxy.receipts.contents import StoredReply
from proxy.receipts.outcomes import Outcome
from tests import factories
from tests.factories import ACTOR, World
from tests.proxy.receipts.made import receipt

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def kept(
    world: World, connection: Connection | None = None, *, state: str = State.COMPLETED, **fields: Any
) -> Receipt:
    made = receipt(world, connection, state=state, **fields)
    contents.write(contents.sealed(made.pk, PartKind.RESULT, StoredReply(200, [], bytes(200_000)).packed()))
    return made


def test_rows_are_kept_for_a_day_and_deleted_in_chunks(world: World) -> None:
    now = timezone.now()
    fresh = kept(world, expires_at=now + timedelta(minutes=1))
    for state in (State.COMPLETED, State.FAILED, State.RESULT_TOO_LARGE, State.CANCELLED):
        kept(world, state=state, expires_at=now - timedelta(seconds=1))
    assert ReceiptPart.objects.count() == 20
    assert ending.purge(3) == 3
    assert (Receipt.objects.count(), ReceiptPart.objects.count()) == (5, 17), "content first"
    while ending.purge(3) == 3:
        pass
    assert list(Receipt.objects.all()) == [fresh]
    assert ReceiptPart.objects.count() == 4


def test_what_was_not_made_within_its_time_ends_with_an_event_and_can_be_read(
    client: Any, world: World
) -> None:
    past = timezone.now() - timedelta(seconds=1)
    for number in range(3):
        asked = receipt(world, expires_at=past, kept_bytes=number)
        contents.write(contents.sealed(asked.pk, PartKind.REQUEST, StoredReply(200, [], b"x").packed()))
    assert ending.purge(2) == 2
    assert Event.objects.count() == 2
    assert ending.purge(2) == 1
    told = Event.objects.filter(type="receipt.completed").values_list("data__id", "data__state")
    assert set(told) == {(str(row.pk), "failed") for row in Receipt.objects.all()}
    found = json.loads(client.get(f"/api/v1/receipts/{asked.pk}", **world.auth).content)
    assert (found["state"], found["problem"]["code"]) == ("failed", "saturated")
    assert ending.purge(100) == 0, "for an hour"
    Receipt.objects.update(expires_at=past)
    ending.purge(100)
    assert not Receipt.objects.exists()
    assert Event.objects.count() == 3


def test_what_is_under_way_when_it_expires_ends_by_itself(client: Any, world: World) -> None:
    made = receipt(world)
    (held,) = claims.claim(1, share=1)
    held.receipt.expires_at = timezone.now() - timedelta(seconds=1)
    held.receipt.save(update_fields=["expires_at"])
    assert ending.purge(100) == 0
    assert outcomes.finish(held, Outcome(State.COMPLETED, StoredReply(200, [], b"late")))
    assert client.get(f"/api/v1/receipts/{made.pk}/reply", **world.auth).content == b"late"


def test_the_hourly_purge_and_the_sweep_both_delete(world: World, monkeypatch: Any) -> None:
    for delete in (purging.purge_all, tasks.sweep_receipts):
        kept(world, expires_at=timezone.now() - timedelta(seconds=1))
        delete()
        assert not Receipt.objects.exists()


def test_ending_the_connection_takes_what_was_kept_along(client: Any, world: World) -> None:
    ended, other = factories.connection(world, "one"), factories.connection(world, "two")
    done = kept(world, ended)
    large = kept(world, ended, state=State.RESULT_TOO_LARGE)
    waiting, untouched = receipt(world, ended), kept(world, other)
    connections.disconnect(ended, actor=ACTOR)
    for gone in (done, large):
        for rest in ("", "/reply"):
            assert client.get(f"/api/v1/receipts/{gone.pk}{rest}", **world.auth).status_code == 404
    assert client.get(f"/api/v1/receipts/{untouched.pk}", **world.auth).status_code == 200
    assert client.get(f"/api/v1/receipts/{waiting.pk}", **world.auth).status_code == 200
    ending.purge(100)
    assert set(Receipt.objects.all()) == {waiting, untouched}
    assert set(ReceiptPart.objects.values_list("receipt", flat=True)) == {untouched.pk}


def test_a_disconnect_that_is_undone_deletes_nothing(world: World, monkeypatch: Any) -> None:
    ended = factories.connection(world, "one")
    made = kept(world, ended)

    def fails(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules["integrations.connections.disconnect"], "_audit", fails)
    Connection.objects.update(access_token=None, refresh_token=None)
    with pytest.raises(ZeroDivisionError):
        connections.disconnect(ended, actor=ACTOR)
    assert Receipt.objects.get(pk=made.pk).expires_at == made.expires_at


def test_a_reply_that_comes_after_the_end_of_the_connection_is_not_stored(client: Any, world: World) -> None:
    ended = factories.connection(world, "one")
    receipt(world, ended)
    (held,) = claims.claim(1, share=1)
    claims.mark_sent(held)
    connections.disconnect(ended, actor=ACTOR)
    reply = StoredReply(200, [(b"x-a", b"MARKER")], b"MARKER")
    assert outcomes.finish(held, Outcome(State.COMPLETED, reply))
    found = json.loads(client.get(f"/api/v1/receipts/{held.receipt.pk}", **world.auth).content)
    assert (found["state"], found["problem"]["code"]) == ("failed", "connection_not_found")
    stored = contents.reply_of(held.receipt.pk)
    assert stored is not None
    assert b"MARKER" not in stored.content


def test_a_connection_that_ends_while_the_reply_is_being_sealed_is_seen(
    world: World, monkeypatch: Any
) -> None:
    ended = factories.connection(world, "one")
    receipt(world, ended)
    (held,) = claims.claim(1, share=1)
    real = contents.sealed

    def sealed(*args: Any) -> Any:
        if Connection.objects.get().status == Status.ACTIVE:
            connections.disconnect(ended, actor=ACTOR)
        return real(*args)

    monkeypatch.setattr(contents, "sealed", sealed)
    assert outcomes.finish(held, Outcome(State.COMPLETED, StoredReply(200, [], b"MARKER")))
    row = Receipt.objects.get()
    assert (row.state, row.code) == (State.FAILED, "connection_not_found")
    stored = contents.reply_of(row.pk)
    assert stored is not None
    assert b"MARKER" not in stored.content


def test_one_stored_in_the_same_moment_as_the_end_is_not_shown(client: Any, world: World) -> None:
    """Whose transaction did not see the other's is caught by what reads."""
    made = kept(world)
    Connection.objects.update(status=Status.DISCONNECTED)
    assert client.get(f"/api/v1/receipts/{made.pk}", **world.auth).status_code == 404
