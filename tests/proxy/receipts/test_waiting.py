"""Once a call has been taken in, nothing takes its receipt from the caller: no database, no key, no broker."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from accounts.api.problems import Problem
from integrations import connections
from integrations.models import Connection
from proxy import plane, tasks
from proxy.api import later
from proxy.models import Receipt, TrafficEntry
from proxy.receipts import contents
from tests.egress.servers import replying
from tests.factories import ACTOR, World
from tests.proxy.calls import bearer, problem, reply
from tests.proxy.conftest import Serve
from tests.proxy.receipts.talk import post, taken_in
from tests.proxy.receipts.test_calls import until_made
from tests.proxy.servers import RawReply, Served, served

pytestmark = [pytest.mark.served, pytest.mark.db]
AWAY = OperationalError("away")


@pytest.fixture
def worker(cust: Connection) -> Iterator[None]:
    thread = threading.Thread(target=until_made)
    thread.start()
    yield
    thread.join(30)


def waited(platform: Served, at: World, seconds: int) -> RawReply:
    return post(platform, at, {"Prefer": f"respond-async, wait={seconds}"})


def is_receipt(answer: RawReply) -> bool:
    return answer.status == 202 and json.loads(answer.body)["id"] == str(Receipt.objects.get().pk)


@pytest.mark.parametrize("error", [AWAY, Problem("internal_error", "No key.")], ids=["database", "key"])
def test_a_reply_that_cannot_be_read_while_the_caller_waits_is_left_to_the_receipt(
    platform: Served, at: World, cust: Connection, monkeypatch: Any, error: Exception
) -> None:
    def fails(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(later, "_looked_at", fails)
    assert is_receipt(waited(platform, at, 1))


def test_a_database_that_does_not_answer_holds_nobody_up_beyond_the_wait(
    platform: Served, at: World, cust: Connection, monkeypatch: Any
) -> None:
    may_go_on = threading.Event()
    monkeypatch.setattr(later, "_looked_at", lambda _: may_go_on.wait(14) and (True, None))
    answered = waited(platform, at, 1)
    may_go_on.set()
    assert is_receipt(answered)


@pytest.mark.usefixtures("worker")
def test_a_database_that_comes_back_within_the_wait_gives_the_reply_itself(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: Any
) -> None:
    provider(replying(reply(body=b"soon")))
    failures, real = [AWAY, AWAY], later._looked_at

    def looked_at(receipt: Receipt) -> Any:
        if failures:
            raise failures.pop()
        return real(receipt)

    monkeypatch.setattr(later, "_looked_at", looked_at)
    answer = waited(platform, at, 30)
    assert (answer.status, answer.body, failures) == (200, b"soon", [])


@pytest.mark.usefixtures("worker")
def test_a_connection_that_ends_during_the_wait_gives_no_reply_any_more(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: Any
) -> None:
    provider(replying(reply(body=b"MARKER")))
    real = contents.reply_of

    def reply_of(receipt_id: Any) -> Any:
        found = real(receipt_id)
        connections.disconnect(cust, actor=ACTOR)
        return found

    monkeypatch.setattr(contents, "reply_of", reply_of)
    answer = waited(platform, at, 30)
    assert (answer.status, problem(answer.body)["code"]) == (404, "connection_not_found")
    assert b"MARKER" not in answer.raw


def test_a_receipt_that_is_deleted_during_the_wait_is_answered_all_the_same(
    platform: Served, at: World, cust: Connection, monkeypatch: Any
) -> None:
    real = later._looked_at

    def looked_at(receipt: Receipt) -> Any:
        Receipt.objects.all().delete()
        return real(receipt)

    monkeypatch.setattr(later, "_looked_at", looked_at)
    assert waited(platform, at, 30).status == 202


def test_a_broker_that_does_not_answer_holds_no_caller_up(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: Any
) -> None:
    """More calls than there are threads that look things up, and a look-up after them."""
    provider(replying(reply(body=b"now")))
    may_go_on, asked = threading.Event(), []

    def hangs(*_: Any, **__: Any) -> None:
        asked.append(threading.current_thread().name)
        may_go_on.wait(30)

    monkeypatch.setattr(tasks.run_receipts, "apply_async", hangs)
    try:
        for _ in range(tasks.MOST_CALLED + 5):
            taken_in(platform, at)
        fields = bearer(at)
        assert platform.call("GET", "/proxy/hbdev/cust/crm", fields).body == b"now"
        assert len(asked) == 1
    finally:
        may_go_on.set()
        tasks._sender.wait()
    assert 1 <= len(asked) <= tasks.MOST_CALLED + 1, "what is beyond is the sweep's"
    assert set(asked) == {"receipt-messages"}


def test_the_traffic_log_tells_what_was_taken_in_from_what_was_made(
    at: World, cust: Connection, provider: Serve
) -> None:
    provider(replying(reply("201 Created", body=b"made")))
    with served() as platform:
        taken_in(platform, at, method="PATCH")
        tasks.run_receipts()
        query = f"?requestId={Receipt.objects.get().request_id}"
    plane.stop_thread()  # the worker's, which writes its entries when it ends
    taken, made = TrafficEntry.objects.order_by("id")
    assert taken.request_id == made.request_id
    assert (taken.door, taken.method, taken.status, taken.path) == ("respond-async", "PATCH", 202, "")
    assert (made.door, made.method, made.status, made.path) == ("envelope", "PATCH", 201, "/crm")
    assert taken.connection_id == made.connection_id == cust.pk
    with served() as platform:
        found = json.loads(platform.call("GET", f"/api/v1/traffic{query}", bearer(at)).body)
    assert {entry["door"] for entry in found["results"]} == {"respond-async", "envelope"}
