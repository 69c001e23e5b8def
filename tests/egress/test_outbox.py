"""Requests that begin together are written together: each as if it were alone."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest

from egress.aio import AsyncClient
from egress.errors import ConnectFailed, ReplyLost
from egress.exchange import Exchange
from egress.outbox import FEW_EXCHANGES, Outbox
from tests.egress.calls import call, fetch
from tests.egress.conftest import Serve
from tests.egress.servers import Conversation

MANY = FEW_EXCHANGES + 10


def echoing(conversation: Conversation) -> None:
    """Answers each request with its own target."""
    while True:
        target = conversation.read_request().split(b" ")[1]
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))


async def together(client: AsyncClient, paths: list[str], method: str = "GET") -> list[bytes | BaseException]:
    async def one(path: str) -> bytes:
        response = await call(client, method, path)
        return await response.read_at_most(10_000)

    return await asyncio.gather(*(one(path) for path in paths), return_exceptions=True)


async def test_each_gets_its_own_reply(serve: Serve, client: AsyncClient) -> None:
    server = serve(echoing)
    paths = [f"/{number}" for number in range(MANY)]
    for _ in range(3):
        assert await together(client, paths) == [path.encode() for path in paths]
    assert server.connections == MANY


async def test_one_that_is_given_up_is_not_sent_and_spoils_no_other(
    serve: Serve, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(echoing)
    await together(client, [f"/warm-{number}" for number in range(MANY)])
    held: list[Callable[[], None]] = []
    monkeypatch.setattr(client._outbox, "put", held.append)
    tasks = [asyncio.create_task(fetch(client, path=f"/{number}")) for number in range(MANY)]
    while len(held) < MANY - FEW_EXCHANGES:
        await asyncio.sleep(0.001)
    tasks[-1].cancel()
    await asyncio.wait(tasks[-1:])
    for write in held:
        write()

    results = await asyncio.gather(*tasks[:-1])
    assert results == [b"/%d" % number for number in range(MANY - 1)]
    assert not any(b"/%d " % (MANY - 1) in request for request in server.requests)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_kept_connections_that_the_server_closes_before_the_write_cost_nothing(
    serve: Serve, client: AsyncClient, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Nothing was sent, so that any method is sent again, over a new connection."""
    server = serve(echoing)
    await together(client, [f"/warm-{number}" for number in range(MANY)])
    held: list[Callable[[], None]] = []
    monkeypatch.setattr(client._outbox, "put", held.append)
    tasks = [asyncio.create_task(fetch(client, method, f"/{number}")) for number in range(MANY)]
    while len(held) < MANY - FEW_EXCHANGES:
        await asyncio.sleep(0.001)
    held.clear()  # those are never written
    for sock in list(server._open):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0.001)
        while held:
            held.pop()()

    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[FEW_EXCHANGES:] == [b"/%d" % number for number in range(FEW_EXCHANGES, MANY)]


async def test_a_new_connection_that_is_closed_at_once_is_an_error(serve: Serve, client: AsyncClient) -> None:
    serve(lambda conversation: conversation.reset())

    results = await together(client, [f"/{number}" for number in range(MANY)], "POST")

    assert {type(result) for result in results} <= {ConnectFailed, ReplyLost}


async def test_a_write_that_fails_costs_no_other_its_own(
    serve: Serve, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(echoing)
    paths = [f"/{number}" for number in range(MANY)]
    await together(client, paths)
    write = Exchange._write

    def failing(exchange: Exchange, data: bytes) -> None:
        if b" /3 " in data:
            raise OSError("no more buffers")
        write(exchange, data)

    monkeypatch.setattr(Exchange, "_write", failing)
    results = await together(client, paths)
    assert isinstance(results.pop(3), ConnectFailed)
    assert results == [path.encode() for path in paths if path != "/3"]
    assert client._outbox is not None
    assert client._outbox.running == 0


async def test_what_a_write_raises_is_told_to_the_loop_and_the_rest_goes_out() -> None:
    loop = asyncio.get_running_loop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    outbox, written = Outbox(loop), []

    def failing() -> None:
        raise LookupError("mine")

    for write in (lambda: written.append(1), failing, lambda: written.append(2)):
        outbox.put(write)
    await asyncio.sleep(0)
    assert written == [1, 2]
    assert [type(context["exception"]) for context in told] == [LookupError]
    loop.set_exception_handler(None)


async def test_none_is_counted_as_under_way_once_all_are_over(serve: Serve, client: AsyncClient) -> None:
    serve(echoing)
    await together(client, [f"/{number}" for number in range(MANY)])

    assert client._outbox is not None
    assert client._outbox.running == 0
