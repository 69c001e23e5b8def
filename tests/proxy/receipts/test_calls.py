"""From the envelope to the reply: what is taken in, what is sent, what can be read."""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from typing import Any

import pytest
from django.db import connection as database

from accounts.models import Event
from integrations.models import Connection
from proxy import tasks
from proxy.models import Receipt, ReceiptPart
from proxy.receipts.outcomes import MAX_RESULT_BYTES
from tests.egress.servers import Conversation, replying
from tests.factories import World
from tests.proxy.calls import body_of, head_of, problem, reply
from tests.proxy.conftest import API, TOKEN, Serve
from tests.proxy.receipts.talk import ASYNC, get, post, shown, taken_in
from tests.proxy.servers import Served, read_reply
from tests.proxy.test_refreshes import calls_of, expired_unless, hubspot
from tests.services import free_port

pytestmark = [pytest.mark.served, pytest.mark.db]


def test_a_call_is_answered_with_a_receipt_made_by_a_worker_and_read_byte_for_byte(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    content = b'{"id": 9007199254740993, "f": 1.0}\xff'
    upstream = provider(
        replying(
            reply("207 Multi-Status", b"Content-Type: application/json", b"X-A: 1", b"X-A: 2", body=content)
        )
    )
    answer = post(platform, at, method="POST", body={"n": 1}, headers={"X-Custom": "ok", "Cookie": "no"})
    assert answer.status == 202
    made = json.loads(answer.body)
    assert set(made) == {"id", "state", "createdAt", "expiresAt", "url"}
    assert made["state"] == "pending"
    assert made["url"] == f"http://localhost:8000/api/v1/receipts/{made['id']}"
    assert answer.get("Location") == f"/api/v1/receipts/{made['id']}"
    assert answer.get("Preference-Applied") == "respond-async"
    assert answer.get("Retry-After") == "1"
    assert answer.get("Cache-Control") == "no-store"
    assert upstream.requests == []
    pending = get(platform, at, made["id"])
    assert (pending.status, json.loads(pending.body)) == (200, made)
    assert pending.get("Retry-After") == "1"
    assert get(platform, at, made["id"], "/reply").status == 409

    assert tasks.run_receipts() == 1
    (request,) = upstream.requests
    lines = head_of(request)
    assert lines[0] == b"POST /crm HTTP/1.1"
    assert f"authorization: Bearer {TOKEN}".encode() in [
        line.replace(b"Authorization", b"authorization") for line in lines
    ]
    assert body_of(request) == b'{"n": 1}'
    assert not any(line.lower().startswith((b"prefer", b"cookie")) for line in lines)

    found = shown(platform, at, made["id"])
    assert (found["state"], found["status"]) == ("completed", 207)
    assert base64.b64decode(found["bodyBase64"]) == content
    assert [value for name, value in found["headers"] if name == "x-a"] == ["1", "2"]
    assert "problem" not in found
    whole = get(platform, at, made["id"], "/reply")
    assert (whole.status, whole.body, whole.is_whole) == (207, content, True)
    assert whole.all("X-A") == ["1", "2"]
    assert whole.get("Via") == "1.1 patchbay"
    assert whole.get("Patchbay-Request-Id") == answer.get("X-Request-Id")
    assert whole.get("Cache-Control") == "no-store"
    assert whole.get("X-Frame-Options") is None, "nothing of the pages"
    event = Event.objects.get(type="receipt.completed")
    assert event.data == {
        "id": made["id"],
        "state": "completed",
        "UUID": str(cust.pk),
        "requestId": answer.get("X-Request-Id"),
    }
    assert set(ReceiptPart.objects.values_list("kind", flat=True)) == {"result"}, "the request is gone"


def test_without_the_preference_nothing_changes(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply(body=b"now"), reply(body=b"now")))
    assert post(platform, at, {}).body == b"now"
    assert post(platform, at, {"Prefer": "wait=5, return=minimal"}).body == b"now"
    assert len(upstream.requests) == 2
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    ("members", "said", "status", "content"),
    [
        ({"method": "HEAD"}, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, b""),
        ({"method": "DELETE"}, b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ({}, b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304, b""),
        ({}, reply("404 Not Found", body=b"gone"), 404, b"gone"),
        ({}, reply("503 Service Unavailable", b"Retry-After: 9", body=b"later"), 503, b"later"),
        (
            {},
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            200,
            b"abcde",
        ),
        ({}, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", 200, b"to the end"),
    ],
    ids=["head", "204", "304", "404", "503", "chunked", "to-the-end"],
)
def test_whatever_the_provider_answers_is_the_result(
    platform: Served,
    at: World,
    cust: Connection,
    provider: Serve,
    members: dict[str, Any],
    said: bytes,
    status: int,
    content: bytes,
) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(said)

    provider(handler)
    made = taken_in(platform, at, **members)
    assert tasks.run_receipts() == 1
    found = shown(platform, at, made)
    assert (found["state"], found["status"]) == ("completed", status)
    assert base64.b64decode(found["bodyBase64"]) == content
    with platform.connect() as sock:
        lines = [
            f"GET /api/v1/receipts/{made}/reply HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {at.api_key}",
        ]
        for _ in range(2):  # the framing holds: a second reply is read on the same connection
            sock.sendall("\r\n".join([*lines, "", ""]).encode())
            whole = read_reply(sock)
            assert (whole.status, whole.body, whole.is_whole) == (status, content, True)


@pytest.mark.parametrize(("more", "state"), [(-1, "completed"), (0, "completed"), (1, "result_too_large")])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_ten_mebibytes_are_kept_and_a_byte_more_is_not(
    platform: Served, at: World, cust: Connection, provider: Serve, more: int, state: str, is_chunked: bool
) -> None:
    content = random.Random(7).randbytes(MAX_RESULT_BYTES + more)

    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        head = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"
        if is_chunked:
            conversation.send(
                head, b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(content), content, b"\r\n0\r\n\r\n"
            )
        else:
            conversation.send(head, b"Content-Length: %d\r\n\r\n" % len(content), content)

    provider(handler)
    made = taken_in(platform, at)
    assert tasks.run_receipts() == 1
    found = shown(platform, at, made)
    assert (found["state"], found["status"]) == (state, 200)
    assert ["x-a", "1"] in found["headers"]
    whole = get(platform, at, made, "/reply")
    if state == "completed":
        assert base64.b64decode(found["bodyBase64"]) == content
        assert (whole.status, whole.body) == (200, content)
    else:
        assert "bodyBase64" not in found
        assert (whole.status, problem(whole.body)["state"]) == (409, "result_too_large")
        assert ReceiptPart.objects.count() == 1, "status and header fields alone"


def test_a_reply_that_breaks_off_is_told_as_the_failure_that_it_is(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    provider(handler)
    made = taken_in(platform, at)
    tasks.run_receipts()
    found = shown(platform, at, made)
    assert (found["state"], found["problem"]["code"]) == ("failed", "upstream_unreachable")
    assert "bodyBase64" not in found
    whole = get(platform, at, made, "/reply")
    assert (whole.status, whole.get("Content-Type")) == (502, "application/problem+json")
    assert whole.get("Proxy-Status") == "patchbay; error=http_response_incomplete"
    assert json.loads(whole.body) == found["problem"]
    assert found["problem"]["requestId"] == whole.get("X-Request-Id")


@pytest.mark.parametrize("is_due", [True, False], ids=["due-before", "rejected"])
def test_a_token_is_refreshed_before_the_call_and_on_its_rejection(
    platform: Served, at: World, cust: Connection, provider: Serve, is_due: bool
) -> None:
    upstream = provider(hubspot(expired_unless("token-1")))
    made = taken_in(platform, at, method="POST", body="x")
    if is_due:
        Connection.objects.update(access_token_expires_at=cust.created_at)
    assert calls_of(upstream) == ([], []), "nothing is asked when the call is taken in"
    tasks.run_receipts()
    found = shown(platform, at, made)
    assert (found["state"], found["status"]) == ("completed", 200)
    calls, token_calls = calls_of(upstream)
    assert (len(calls), len(token_calls)) == (1 if is_due else 2, 1)
    assert {body_of(call) for call in calls} == {b"x"}


def test_the_reply_comes_directly_when_it_comes_within_the_wait(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(replying(reply("201 Created", b"X-A: 1", body=b"soon")))
    worker = threading.Thread(target=until_made)
    worker.start()
    answer = post(platform, at, {"Prefer": "respond-async, wait=30"}, method="POST")
    worker.join(30)
    assert (answer.status, answer.body, answer.get("X-A")) == (201, b"soon", "1")
    assert answer.get("Location") is None
    assert Receipt.objects.get().state == "completed"
    assert Receipt.objects.get().request_id == answer.get("Patchbay-Request-Id")


def test_a_problem_within_the_wait_is_answered_as_any_other_call_would_be(
    platform: Served, at: World, cust: Connection, settings: Any
) -> None:
    settings.UPSTREAM_MAP = {API: f"http://127.0.0.1:{free_port()}"}
    worker = threading.Thread(target=until_made)
    worker.start()
    answer = post(platform, at, {"Prefer": "respond-async, wait=30"})
    worker.join(30)
    assert (answer.status, problem(answer.body)["code"]) == (502, "upstream_unreachable")


def test_a_reply_that_does_not_come_within_the_wait_is_left_to_the_receipt(
    platform: Served, at: World, cust: Connection
) -> None:
    answer = post(platform, at, {"Prefer": "respond-async, wait=1"})
    assert (answer.status, answer.get("Preference-Applied")) == (202, "respond-async, wait=1")
    assert shown(platform, at, json.loads(answer.body)["id"])["state"] == "pending"


def until_made() -> int | None:
    """A worker that looks until there was something to do."""
    try:
        give_up_at = time.monotonic() + 25
        while time.monotonic() < give_up_at:
            if made := tasks.run_receipts():
                return made
            time.sleep(0.05)
        return None
    finally:
        database.close()


def test_the_passthrough_hands_the_preference_on_and_keeps_nothing(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply("202 Accepted", b"Preference-Applied: respond-async", body=b"theirs")))
    fields = {"Authorization": f"Bearer {at.api_key}", **ASYNC}
    answer = platform.call("GET", "/proxy/hbdev/cust/crm", fields)
    assert (answer.status, answer.body) == (202, b"theirs")
    assert answer.get("Preference-Applied") == "respond-async"
    assert b"prefer: respond-async" in [line.lower() for line in head_of(upstream.requests[0])]
    assert not Receipt.objects.exists()


def test_stackgos_paths_know_no_receipts(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(replying(reply(body=b"{}")))
    fields = {"Authorization": f"Bearer {at.api_key}", "Content-Type": "application/json", **ASYNC}
    body = json.dumps({"method": "GET", "url": f"{API}/crm", "userForeignIdentifier": "cust"}).encode()
    answer = platform.call("POST", "/api/raw/hbdev", fields, body)
    assert (answer.status, json.loads(answer.body)) == (200, {"data": {}})
    assert not Receipt.objects.exists()


def test_the_second_door_of_the_envelope_gives_receipts_too(
    platform: Served, at: World, cust: Connection
) -> None:
    body = json.dumps({"UUID": str(cust.pk), "method": "GET", "url": "/crm"}).encode()
    fields = {"Authorization": f"Bearer {at.api_key}", "Content-Type": "application/json", **ASYNC}
    assert platform.call("POST", "/proxy/hbdev", fields, body).status == 202


def test_what_the_caller_asks_of_the_proxy_holds_for_the_call(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    def stalling(conversation: Conversation) -> None:
        assert conversation.wait_for_close()

    answers = [reply("503 Service Unavailable", b"Retry-After: 0"), reply(body=b"at last")]

    def handler(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            conversation.send(answers.pop(0))

    upstream = provider(handler)
    made = taken_in(platform, at, {**ASYNC, "Patchbay-Retries": "1", "Patchbay-Timeout": "20"})
    tasks.run_receipts()
    assert shown(platform, at, made)["status"] == 200
    assert len(upstream.requests) == 2
    stalled = provider(stalling)
    made = taken_in(platform, at, {**ASYNC, "Patchbay-Timeout": "0.2"})
    tasks.run_receipts()
    assert shown(platform, at, made)["problem"]["code"] == "upstream_timeout"
    assert stalled.connections == 1


def test_a_broker_that_is_away_refuses_nobody_and_the_sweep_sends_the_message_again(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: Any
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(tasks.run_receipts, "apply_async", fails)
    made = taken_in(platform, at)
    tasks._sender.wait()
    sent: list[str] = []
    monkeypatch.setattr(tasks.run_receipts, "apply_async", lambda *_, **__: sent.append("sent"))
    tasks.sweep_receipts()
    assert sent == ["sent"]
    Receipt.objects.filter(pk=made).update(state="cancelled")
    tasks.sweep_receipts()
    assert sent == ["sent"], "nothing is due"
