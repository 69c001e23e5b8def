"""The clients of the harness: what they count as a reply, and when they try again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from benchmarks.chaos import callers
from benchmarks.chaos.callers import Callers


def reply(status: str, document: object, *, cut: int = 0) -> bytes:
    content = json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    return (head + content)[: len(head) + len(content) - cut]


ECHO = {"method": "GET", "headers": [["Host", "x"], ["Authorization", "Bearer token-1"]]}


@asynccontextmanager
async def answering(make: Callable[[], bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers each connection so; its port, and what arrived."""
    arrived: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(make())
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], arrived
    finally:
        server.close()
        await server.wait_closed()


def of(*ports: int, timeout_seconds: int | None = None) -> Callers:
    return Callers(ports, api_key="key-1", path="/proxy/a/b/_echo/x", timeout_seconds=timeout_seconds)


async def test_the_credential_that_reached_the_provider_is_told() -> None:
    async with answering(lambda: reply("200 OK", ECHO)) as (port, arrived):
        answer = await of(port, timeout_seconds=60).call(0)
    assert (answer.status, answer.token, answer.broken) == (200, "token-1", ())
    assert arrived[0].startswith(b"GET /proxy/a/b/_echo/x HTTP/1.1\r\n")
    assert b"Authorization: Bearer key-1\r\n" in arrived[0]
    assert b"Patchbay-Timeout: 60\r\n" in arrived[0]


async def test_a_refusal_is_a_reply_and_is_not_asked_for_again() -> None:
    async with answering(lambda: reply("503 Service Unavailable", {"code": "refresh_unavailable"})) as (
        port,
        seen,
    ):
        answer = await of(port).call(0)
    assert (answer.status, answer.code, answer.token) == (503, "refresh_unavailable", "")
    assert len(seen) == 1


async def test_a_connection_that_breaks_is_tried_again_at_the_next_process() -> None:
    for broken in (b"", reply("200 OK", ECHO, cut=1), b"HTTP/1.1 200 OK\r\n"):
        async with (
            answering(lambda broken=broken: broken) as (dying, _),
            answering(lambda: reply("200 OK", ECHO)) as (living, _),
        ):
            answer = await of(dying, living).call(0)
        assert (answer.status, answer.token, answer.broken) == (200, "token-1", (dying,))


async def test_a_call_that_finds_nobody_ends_without_a_status() -> None:
    async with answering(bytes) as (port, _):
        pass
    answer = await of(port).call(0)
    assert (answer.status, answer.token) == (0, "")
    assert answer.broken == (port,) * callers._TRIES


async def test_calls_take_turns_at_the_processes() -> None:
    async with (
        answering(lambda: reply("200 OK", ECHO)) as (one, first),
        answering(lambda: reply("200 OK", ECHO)) as (other, second),
    ):
        everyone = of(one, other)
        await asyncio.gather(*(everyone.call(number) for number in range(10)))
    assert (len(first), len(second), everyone.sent) == (5, 5, 10)
