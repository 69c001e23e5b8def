"""From the envelope to the reply: what is taken in, what is sent, what can be read."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from accounts.models import Event
from integrations.models import Connection
from proxy import tasks
from proxy.models import Receipt, ReceiptPart
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import bearer, body_of, head_of, reply
from tests.proxy.conftest import TOKEN, Serve
from tests.proxy.servers import RawReply, Served

pytestmark = [pytest.mark.served, pytest.mark.db]
ASYNC = {"Prefer": "respond-async"}


def post(
    platform: Served, at: World, fields: dict[str, str] | None = None, *, slug: str = "hbdev", **members: Any
) -> RawReply:
    envelope = {"userForeignIdentifier": "cust", "method": "GET", "url": "/crm", **members}
    headers = {**bearer(at), "Content-Type": "application/json", **(ASYNC if fields is None else fields)}
    return platform.call("POST", f"/api/v1/proxy/{slug}", headers, json.dumps(envelope).encode())


def get(platform: Served, at: World, receipt_id: str, rest: str = "", method: str = "GET") -> RawReply:
    return platform.call(method, f"/api/v1/receipts/{receipt_id}{rest}", bearer(at))


def taken_in(platform: Served, at: World, fields: dict[str, str] | None = None, **members: Any) -> str:
    answer = post(platform, at, fields, **members)
    assert answer.status == 202, answer.body
    return str(json.loads(answer.body)["id"])


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

    shown = json.loads(get(platform, at, made["id"]).body)
    assert (shown["state"], shown["status"]) == ("completed", 207)
    assert base64.b64decode(shown["bodyBase64"]) == content
    assert [value for name, value in shown["headers"] if name == "x-a"] == ["1", "2"]
    assert "problem" not in shown
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
