"""A call that fails, or whose caller leaves, between the provider's reply and the partner's lets go of everything."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from integrations.models import Connection
from proxy import forwarder, plane
from proxy.api.views import made_on
from proxy.replies import Reply
from tests.egress.servers import Conversation
from tests.factories import World
from tests.proxy.calls import bearer, problem
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served


@pytest.fixture
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def test_a_reply_made_on_another_loop_comes_here(other_loop: asyncio.AbstractEventLoop) -> None:
    async def making() -> Reply:
        assert asyncio.get_running_loop() is other_loop
        return Reply(204, [])

    assert (await made_on(other_loop, making())).status == 204


async def test_a_reply_that_is_made_as_its_caller_gives_up_is_closed(
    other_loop: asyncio.AbstractEventLoop,
) -> None:
    is_made, is_closed, is_over = threading.Event(), threading.Event(), threading.Event()

    async def making() -> Reply:
        reply = Reply(200, [])
        reply.on_close(is_closed.set)
        other_loop.call_soon(is_made.set)
        return reply

    waiting = asyncio.create_task(made_on(other_loop, making()))
    await asyncio.sleep(0)
    assert is_made.wait(20)  # this loop has not heard of it yet
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    other_loop.call_soon_threadsafe(lambda: other_loop.call_soon(is_over.set))
    assert is_over.wait(20)
    assert is_closed.wait(20)


async def test_a_reply_that_is_not_made_yet_is_not_waited_for(other_loop: asyncio.AbstractEventLoop) -> None:
    has_begun, is_cancelled = threading.Event(), threading.Event()

    async def making() -> Reply:
        has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            is_cancelled.set()
            raise
        raise AssertionError

    waiting = asyncio.create_task(made_on(other_loop, making()))
    await asyncio.to_thread(has_begun.wait, 20)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(is_cancelled.wait, 20)


@pytest.mark.served
def test_a_defect_after_the_provider_s_header_section_leaves_no_connection_open(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbeginning")
        talk.sock.settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert talk.sock.recv(1) == b""
        talk.server.client_closed.set()

    def broken(*args: object, **kwargs: object) -> None:
        raise LookupError("a defect")

    upstream = provider(handler)
    monkeypatch.setattr(forwarder.headers, "reply_fields", broken)
    got = platform.call("GET", "/proxy/hbdev/cust/x", bearer(at))
    assert (got.status, problem(got.body)["code"]) == (500, "internal_error")
    assert upstream.client_closed.wait(20)
    assert {here.limits.calls for here in plane._planes.values()} == {0}
