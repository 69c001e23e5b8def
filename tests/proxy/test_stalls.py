"""A partner that stalls holds up nobody but itself, and the failure is named its own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from proxy import plane
from tests.egress.servers import Conversation
from tests.factories import World
from tests.proxy.calls import problem
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served, read_reply

pytestmark = [pytest.mark.served, pytest.mark.usefixtures("cust")]
ROOT = "/proxy/hbdev/cust"


@pytest.mark.parametrize("door", ["passthrough", "envelope"])
def test_a_partner_that_does_not_read_is_let_go(
    platform: Served, at: World, provider: Serve, settings: Any, door: str
) -> None:
    settings.PROXY_IDLE_SECONDS = 0.5

    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1_000):
            talk.send(b"x" * 100_000)

    provider(handler)
    envelope = b'{"userForeignIdentifier": "cust", "method": "GET", "url": "/x"}'
    target = f"GET {ROOT}/x" if door == "passthrough" else "POST /proxy/hbdev"
    length = 0 if door == "passthrough" else len(envelope)
    with platform.connect() as sock:
        sock.sendall(
            f"{target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
            f"Content-Length: {length}\r\n\r\n".encode()
            + envelope[:length]
        )
        time.sleep(0.3)
        begun = time.monotonic()
        while tasks_of_calls() and time.monotonic() - begun < 30:
            time.sleep(0.05)
        assert tasks_of_calls() == 0
        assert {here.envelopes for here in plane._planes.values()} == {0}
        assert not read_reply(sock).is_whole


def test_content_that_stalls_amid_a_long_upload_is_the_partners_failure(
    platform: Served, at: World, provider: Serve, settings: Any
) -> None:
    settings.PROXY_IDLE_SECONDS = 0.5

    def handler(talk: Conversation) -> None:
        talk.read_until(b"never")

    provider(handler)
    with platform.connect() as sock:
        sock.sendall(
            f"PUT {ROOT}/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
            "Content-Length: 10000000\r\n\r\n".encode()
            + b"x" * 300_000
        )
        got = read_reply(sock)
    assert (got.status, problem(got.body)["code"]) == (400, "invalid_request")
    assert got.get("Proxy-Status") == "patchbay; error=http_request_error"


def tasks_of_calls() -> int:
    """Calls that the servers of this process have in hand."""
    tasks = [task for here in list(plane._planes.values()) for task in asyncio.all_tasks(here.loop)]
    return sum("run_asgi" in repr(task.get_coro()) for task in tasks)
