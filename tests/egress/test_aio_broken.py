import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from egress.aio import AsyncClient, Timeouts
from egress.errors import (
    HeadersTimeout,
    InvalidReply,
    InvalidRequest,
    ReplyAborted,
    ReplyLost,
)
from tests.egress.calls import SHORT, call, closed, dripping, fetch, pieces, watching, watching_unread
from tests.egress.conftest import Serve
from tests.egress.servers import OK, Conversation, replying


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_reply_that_breaks_off_never_ends_cleanly(
    serve: Serve, client: AsyncClient, reply: bytes
) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(reply)

    serve(handler)
    with pytest.raises((ReplyAborted, InvalidReply)) as error:
        await fetch(client)
    assert not error.value.timed_out


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_prx_34_a_reply_that_can_be_read_in_two_ways_is_invalid(
    serve: Serve, client: AsyncClient, reply: bytes
) -> None:
    serve(replying(reply))
    with pytest.raises(InvalidReply):
        await fetch(client)


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 O", b"K"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
async def test_prx_24_a_header_drip_does_not_move_the_header_timeout(
    serve: Serve, client: AsyncClient, start: bytes, drop: bytes
) -> None:
    server = serve(dripping(start, drop))
    begun = time.monotonic()
    with pytest.raises(HeadersTimeout) as late:
        await call(client, timeouts=SHORT)
    assert late.value.timed_out
    assert 0.2 < time.monotonic() - begun < 10
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    ],
)
async def test_prx_24_a_body_drip_ends_by_the_total_and_not_cleanly(
    serve: Serve, client: AsyncClient, start: bytes, drop: bytes
) -> None:
    serve(dripping(start, drop))
    begun = time.monotonic()
    with pytest.raises(ReplyAborted) as late:
        await fetch(client, timeouts=Timeouts(total=0.6))
    assert late.value.timed_out
    assert 0.5 < time.monotonic() - begun < 10


async def test_a_silent_body_ends_by_the_idle_timeout(serve: Serve, client: AsyncClient) -> None:
    serve(dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b""))
    begun = time.monotonic()
    response = await call(client, timeouts=Timeouts(idle=0.2))
    with pytest.raises(ReplyAborted) as late:
        await response.read_at_most(9)
    assert late.value.timed_out
    assert time.monotonic() - begun < 10


async def test_a_slow_reader_does_not_count_as_a_silent_server(serve: Serve, client: AsyncClient) -> None:
    content = b"x" * 4_000_000
    serve(replying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content), content))
    response = await call(client, timeouts=Timeouts(idle=0.5))
    await asyncio.sleep(0.8)
    assert await response.read_at_most(len(content)) == content


async def test_the_header_timeout_starts_when_the_content_is_sent(serve: Serve, client: AsyncClient) -> None:
    serve(replying(OK))
    limits = Timeouts(response_headers=0.5)
    body = pieces(*[b"x"] * 5, pause=0.15)
    assert await fetch(client, "POST", body=body, content_length=5, timeouts=limits) == b"ok"


async def test_content_that_stalls_ends_by_the_idle_timeout(serve: Serve, client: AsyncClient) -> None:
    server = serve(
        lambda conversation: (
            conversation.server.client_closed.set() if conversation.wait_for_close() else None
        )
    )
    with pytest.raises(InvalidRequest):
        await fetch(client, "POST", body=pieces(b"a", b"b", pause=2), content_length=2, timeouts=SHORT)
    assert await closed(server)


async def test_a_server_that_does_not_take_the_content_is_late(serve: Serve, client: AsyncClient) -> None:
    serve(lambda conversation: time.sleep(2))
    content = pieces(*[b"x" * 1_000_000] * 20)
    with pytest.raises(HeadersTimeout):
        await fetch(client, "POST", body=content, content_length=20_000_000, timeouts=SHORT)


async def test_an_early_reply_comes_back_while_content_is_still_to_send(
    serve: Serve, client: AsyncClient
) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_until(b"first")
        conversation.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        if conversation.wait_for_close():
            conversation.server.client_closed.set()

    server = serve(handler)

    async def endless() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(30)
        yield b"never"

    response = await call(client, "POST", body=endless())
    assert response.status == 413
    assert await response.read_at_most(3) == b"big"
    assert await asyncio.to_thread(server.client_closed.wait, 20), (
        "half a request must not go back to the pool"
    )


@pytest.mark.parametrize(
    "error", [KeyError("x"), ConnectionResetError("the caller left"), OSError(5, "disk")]
)
async def test_what_the_content_raises_comes_out_as_it_is(
    serve: Serve, client: AsyncClient, error: Exception
) -> None:
    server = serve(watching_unread)

    async def failing() -> AsyncIterator[bytes]:
        yield b"a"
        raise error

    with pytest.raises(type(error)) as raised:
        await call(client, "POST", body=failing(), content_length=9)
    assert raised.value is error
    assert await closed(server)


@pytest.mark.parametrize("parts", [[b"abc", b"def"], [b"a"]])
async def test_content_of_another_length_than_stated_breaks_the_request_off(
    serve: Serve, client: AsyncClient, parts: list[bytes]
) -> None:
    server = serve(replying(OK))
    with pytest.raises(InvalidRequest):
        await call(client, "POST", body=pieces(*parts), content_length=4)
    with pytest.raises(InvalidRequest):
        await call(client, "POST", body=b"abc", content_length=4)
    assert server.requests == []


async def test_a_server_that_closes_during_the_upload_is_a_lost_reply(
    serve: Serve, client: AsyncClient
) -> None:
    serve(lambda conversation: conversation.read_until(b"\r\n\r\n") and conversation.reset())
    with pytest.raises(ReplyLost) as lost:
        await fetch(client, "POST", body=pieces(*[b"x" * 65536] * 20, pause=0.01))
    assert not lost.value.timed_out


async def test_prx_35_cancelling_before_the_headers_closes_the_socket(
    serve: Serve, client: AsyncClient
) -> None:
    server = serve(watching())
    task = asyncio.create_task(call(client, timeouts=Timeouts()))
    while not server.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await closed(server)


async def test_prx_35_cancelling_while_reading_closes_the_socket(serve: Serve, client: AsyncClient) -> None:
    server = serve(watching(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"))
    task = asyncio.create_task(fetch(client, timeouts=Timeouts()))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await closed(server)


async def test_prx_35_leaving_early_closes_the_socket_at_once(serve: Serve, client: AsyncClient) -> None:
    server = serve(watching(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"x"))
    response = await call(client)
    async for _ in response.iter_chunks():
        break
    await response.aclose()
    await response.aclose()
    assert await closed(server)
    with pytest.raises(ReplyAborted):
        await response.read_at_most(99)


async def test_closing_wakes_a_reader_in_another_task(serve: Serve, client: AsyncClient) -> None:
    serve(watching(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"))
    response = await call(client, timeouts=Timeouts())
    reader = asyncio.create_task(response.read_at_most(99))
    await asyncio.sleep(0.05)
    await response.aclose()
    with pytest.raises(ReplyAborted):
        await asyncio.wait_for(reader, 20)


async def test_closing_the_client_closes_connections_in_use(serve: Serve) -> None:
    server = serve(watching(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"))
    async with AsyncClient() as client:
        response = await call(client, timeouts=Timeouts())
    assert await closed(server)
    with pytest.raises(ReplyAborted):
        await response.read_at_most(99)
    with pytest.raises(RuntimeError):
        await call(client)
