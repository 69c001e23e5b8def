"""One partner's receipts keep so much and no more, results that are still to come included."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import Connection
from proxy import tasks
from proxy.models import Receipt
from proxy.models.receipt import State
from proxy.receipts import execution, room
from proxy.receipts.outcomes import MAX_RESULT_BYTES
from tests import factories
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import problem, reply
from tests.proxy.conftest import Serve
from tests.proxy.receipts.made import receipt, waiting
from tests.proxy.receipts.talk import post
from tests.proxy.servers import RawReply, Served

pytestmark = [pytest.mark.served, pytest.mark.db]


def is_refused(answer: RawReply, *, naming: str) -> bool:
    assert (answer.status, problem(answer.body)["code"], answer.get("Retry-After")) == (
        503,
        "saturated",
        "30",
    )
    return naming in problem(answer.body)["detail"]


def test_a_partner_has_so_many_calls_waiting_and_no_more(
    platform: Served, at: World, cust: Connection, monkeypatch: Any
) -> None:
    monkeypatch.setattr(room, "MAX_OPEN", 2)
    receipt(at, cust, state="running")
    assert post(platform, at).status == 202
    assert is_refused(post(platform, at), naming="2 calls")
    other = factories.world("Other", of=at.integration)
    factories.connection(other, "cust")
    assert post(platform, other).status == 202, "another partner is not held up"
    Receipt.objects.filter(state="running").update(state="completed")
    assert post(platform, at).status == 202


def test_a_partner_has_so_many_receipts_and_no_more(
    platform: Served, at: World, cust: Connection, settings: Any
) -> None:
    settings.RECEIPT_KEPT_ROWS = 2
    for _ in range(2):
        kept = receipt(at, cust, state="completed")
    assert is_refused(post(platform, at), naming="RECEIPT_KEPT_ROWS")
    kept.delete()
    assert post(platform, at).status == 202
    Receipt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert post(platform, at).status == 202, "expired ones are as good as gone"


def test_a_partner_keeps_so_many_bytes_and_no_more_with_room_for_the_result(
    platform: Served, at: World, cust: Connection, settings: Any
) -> None:
    settings.RECEIPT_KEPT_BYTES = MAX_RESULT_BYTES + 1000
    kept = receipt(at, cust, state="completed", kept_bytes=997)
    assert is_refused(post(platform, at), naming="RECEIPT_KEPT_BYTES")
    kept.delete()
    assert post(platform, at).status == 202


def test_a_call_waits_until_there_is_room_for_its_result_and_earlier_ones_get_on(
    at: World, cust: Connection, provider: Serve, settings: Any
) -> None:
    """Three are taken up at once, with room for two results; the first is there before the third looks again."""
    settings.RECEIPT_KEPT_BYTES = 2 * MAX_RESULT_BYTES + 1000
    upstream = provider(replying(*[reply("200 OK", b"X-A: 1", body=b"ok")] * 3))
    made = [waiting(at, cust) for _ in range(3)]
    other = factories.world("Other", of=at.integration)
    waiting(other, factories.connection(other, "cust"))
    assert tasks.run_receipts() == 4
    states = [Receipt.objects.get(pk=one.pk).state for one in made]
    assert states.count(State.COMPLETED) >= 2
    assert Receipt.objects.get(partner=other.partner).state == State.COMPLETED
    Receipt.objects.update(not_before=None)
    tasks.run_receipts()
    assert set(Receipt.objects.values_list("state", flat=True)) == {State.COMPLETED}
    assert len(upstream.requests) == 4
    row = Receipt.objects.filter(partner=at.partner).first()
    assert row is not None
    assert row.kept_bytes > len(b"ok") + len(b"x-a1"), "header fields count"


def test_a_call_for_whose_result_no_room_comes_ends_with_the_reason_and_is_not_sent(
    at: World, cust: Connection, provider: Serve, settings: Any
) -> None:
    settings.RECEIPT_KEPT_BYTES = MAX_RESULT_BYTES + 1000
    upstream = provider(replying(reply(body=b"ok")))
    receipt(at, cust, state="completed", kept_bytes=1001)
    made = waiting(at, cust, method="POST", created_at=timezone.now() - 2 * execution.PATIENCE)
    tasks.run_receipts()
    row = Receipt.objects.get(pk=made.pk)
    assert (row.state, row.tries, row.sent_at) == (State.PENDING, 0, None), "it was first taken up just now"
    assert row.begun_at is not None
    Receipt.objects.filter(pk=made.pk).update(not_before=None, begun_at=row.begun_at - execution.PATIENCE)
    tasks.run_receipts()
    row = Receipt.objects.get(pk=made.pk)
    assert (row.state, row.code, row.status) == (State.FAILED, "saturated", 503)
    assert upstream.connections == 0


def test_what_a_partner_keeps_is_counted_without_reading_its_rows(at: World, cust: Connection) -> None:
    """There may be 50,000: an index is read, and of the rows those alone that are under way."""
    made = receipt(at, cust, state="running", begun_at=timezone.now())
    with CaptureQueriesContext(database) as queries:
        room.require_for_call(at.partner.pk, 1)
        room.require_for_result(made)
    if database.vendor == "sqlite":
        for_call, running, for_result = [plan_of(query["sql"]) for query in queries]
        assert "USING COVERING INDEX receipt_by_partner (partner_id=?)" in for_call
        assert "receipt_by_partner (partner_id=? AND state=?" in running
        assert "USING COVERING INDEX receipt_by_partner (partner_id=?)" in for_result


def plan_of(sql: str) -> str:
    with database.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return " | ".join(row[3] for row in cursor.fetchall())
