"""What can be refused at once is refused at once, and nothing is kept of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from accounts import credentials
from accounts.models import Credential
from integrations import connections
from integrations.models import Connection, Integration
from integrations.models.connection import Status
from proxy.models import Receipt, ReceiptPart
from tests.factories import ACTOR, World
from tests.proxy.calls import problem
from tests.proxy.receipts.talk import ASYNC, post
from tests.proxy.servers import RawReply, Served

pytestmark = [pytest.mark.served, pytest.mark.db]
MIB = 1_048_576


def refused(reply: RawReply) -> tuple[int, str, str | None]:
    """(status, code, field); nothing was kept."""
    assert not ReceiptPart.objects.exists()
    assert not Receipt.objects.exists()
    assert reply.get("Content-Type") == "application/problem+json"
    body = problem(reply.body)
    return reply.status, body["code"], body.get("field")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"method": "TRACE"}, (400, "invalid_request", "method")),
        ({"url": "//evil.example/"}, (400, "invalid_request", "url")),
        ({"url": "/a/../b"}, (400, "invalid_request", "url")),
        ({"url": "https://evil.example/"}, (403, "destination_not_allowed", "url")),
        ({"url": "/oauth/v1/refresh-tokens/x"}, (403, "destination_not_allowed", "url")),
        ({"headers": {"X-A": "a\r\nB: c"}}, (400, "invalid_request", "headers.X-A")),
        ({"unknown": 1}, (400, "invalid_request", "unknown")),
        ({"userForeignIdentifier": "nobody"}, (404, "connection_not_found", None)),
        ({"UUID": "9f0c2f0e-6c1e-4c53-9a2f-0d5a8a0a6c11"}, (404, "connection_not_found", None)),
        ({"slug": "other"}, (404, "not_found", None)),
    ],
    ids=str,
)
def test_an_envelope_that_could_not_be_sent_is_refused_at_once(
    platform: Served,
    at: World,
    cust: Connection,
    members: dict[str, Any],
    expected: tuple[int, str, str | None],
) -> None:
    if "UUID" in members:
        members = {**members, "userForeignIdentifier": None}
    assert refused(post(platform, at, **members)) == expected


def test_a_control_that_cannot_be_is_refused_at_once(platform: Served, at: World, cust: Connection) -> None:
    fields = {**ASYNC, "Patchbay-Retries": "99"}
    assert refused(post(platform, at, fields)) == (400, "invalid_request", "Patchbay-Retries")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.PAUSED, (423, "connection_paused", None)),
        (Status.RECONNECT_REQUIRED, (424, "reconnect_required", None)),
        (Status.DISCONNECTED, (404, "connection_not_found", None)),
    ],
)
def test_a_connection_that_may_not_be_used_is_refused_at_once(
    platform: Served, at: World, cust: Connection, status: Status, expected: tuple[int, str, str | None]
) -> None:
    Connection.objects.update(status=status)
    assert refused(post(platform, at)) == expected


def test_nobody_and_who_may_not_use_the_proxy_are_refused_at_once(
    platform: Served, at: World, cust: Connection
) -> None:
    body = json.dumps({"userForeignIdentifier": "cust", "method": "GET", "url": "/crm"}).encode()
    nobody = platform.call("POST", "/api/v1/proxy/hbdev", ASYNC, body)
    assert refused(nobody) == (401, "not_authenticated", None)
    Credential.objects.update(permissions=["connect"])
    assert refused(post(platform, at)) == (403, "permission_denied", None)
    credentials.revoke(at.credential, actor=ACTOR)
    assert refused(post(platform, at)) == (401, "not_authenticated", None)


def test_an_integration_that_is_switched_off_is_refused_at_once(
    platform: Served, at: World, cust: Connection
) -> None:
    Integration.objects.update(is_enabled=False)
    assert refused(post(platform, at)) == (404, "not_found", None)


def test_a_request_of_exactly_one_mebibyte_is_taken_in(platform: Served, at: World, cust: Connection) -> None:
    url, header = "/crm", {"X-A": "b"}
    room = MIB - len(url) - len("x-a") - len("b")
    made = post(platform, at, method="PUT", url=url, headers=header, body="x" * room)
    assert made.status == 202
    row = Receipt.objects.get()
    assert row.kept_bytes == MIB
    assert ReceiptPart.objects.count() == 17


def test_a_request_of_a_byte_more_is_refused_naming_field_and_limit(
    platform: Served, at: World, cust: Connection
) -> None:
    url, header = "/crm", {"X-A": "b"}
    room = MIB - len(url) - len("x-a") - len("b") + 1
    encoded = base64.b64encode(b"\xff" * room).decode()
    for body in ({"body": "x" * room}, {"bodyBase64": encoded}):
        answer = post(platform, at, method="PUT", url=url, headers=header, **body)
        assert refused(answer) == (413, "content_too_large", "body")
        assert problem(answer.body)["maxBytes"] == MIB
    answer = post(platform, at, method="PUT", url=url, headers={"X-A": "x" * MIB})
    assert refused(answer) == (413, "content_too_large", "headers")


def test_idempotency_is_that_of_what_is_sent(platform: Served, at: World, cust: Connection) -> None:
    """A field that Connection nominates does not go on, so it makes nothing repeatable."""
    key = {"Idempotency-Key": "k"}
    for method, headers, expected in (
        ("GET", {}, True),
        ("HEAD", {}, True),
        ("PUT", {}, True),
        ("DELETE", {}, True),
        ("POST", {}, False),
        ("PATCH", {}, False),
        ("POST", key, True),
        ("PATCH", {"idempotency-key": "k"}, True),
        ("POST", {**key, "Connection": "Idempotency-Key"}, False),
    ):
        assert post(platform, at, method=method, headers=headers).status == 202
        made = Receipt.objects.get()
        assert (made.method, made.is_repeatable) == (method, expected), headers
        made.delete()


def test_a_token_that_is_due_for_refresh_holds_nothing_up(
    platform: Served, at: World, cust: Connection, provider: Any
) -> None:
    """The provider is asked when the call is made."""
    asked: list[bool] = []
    provider(lambda conversation: asked.append(True))
    Connection.objects.update(access_token_expires_at=cust.created_at)
    assert post(platform, at).status == 202
    assert asked == []


def test_connections_that_end_before_the_row_is_made_are_not_there(
    platform: Served, at: World, cust: Connection
) -> None:
    connections.disconnect(cust, actor=ACTOR)
    assert post(platform, at).status == 404
