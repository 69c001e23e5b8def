"""Both doors, served for real: what arrives at the provider and what comes back."""

from __future__ import annotations

import json

import pytest

from integrations.models import Connection
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.conftest import TOKEN, Serve
from tests.proxy.servers import Served

pytestmark = pytest.mark.served
BODY = b'{ "a" : 1.0, "b": 9007199254740993 }'
OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-HubSpot-RateLimit-Remaining: 108\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


def bearer(at: World) -> dict[str, str]:
    return {"Authorization": f"Bearer {at.api_key}"}


def test_a_passthrough_call_changes_the_credential_alone(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(OK))
    for _ in ("cold", "hot"):
        reply = platform.call(
            "GET", "/proxy/hbdev/cust/crm/v3/a%2Fb?x=1&x=2", {**bearer(at), "X-Custom": "ok"}
        )
        assert (reply.status, reply.body) == (200, BODY)
        assert [name for name, _ in reply.fields] == [
            "content-type", "x-hubspot-ratelimit-remaining", "content-length",
            "via", "proxy-status", "patchbay-request-id",
        ]  # fmt: skip
        assert upstream.requests[-1] == (
            b"GET /crm/v3/a%2Fb?x=1&x=2 HTTP/1.1\r\nHost: api.hubapi.com\r\nx-custom: ok\r\n"
            b"authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
        )


def test_an_envelope_is_answered_with_the_providers_own_bytes(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(OK))
    envelope = {"userForeignIdentifier": "cust", "method": "GET", "url": "/crm/v3/x", "query": {"limit": 5}}
    reply = platform.call(
        "POST",
        "/proxy/hbdev",
        {**bearer(at), "Content-Type": "application/json", "Accept": "text/html"},
        json.dumps(envelope).encode(),
    )
    assert (reply.status, reply.body) == (200, BODY)
    assert reply.get("X-HubSpot-RateLimit-Remaining") == "108"
    assert upstream.requests[-1].startswith(b"GET /crm/v3/x?limit=5 HTTP/1.1\r\n")
    assert b"authorization: Bearer " + TOKEN.encode() in upstream.requests[-1]
