import asyncio
import contextlib
import threading
import time
from typing import Any

import pytest

from egress.aio import AsyncClient
from egress.errors import ConnectFailed, ReplyLost
from egress.pool import Exchanges, Pool
from tests.egress.calls import call, fetch, pieces
from tests.egress.conftest import Serve
from tests.egress.servers import OK, Conversation, Handler, replying


async def test_connections_are_reused(serve: Serve, client: AsyncClient) -> None:
    server = serve(replying(OK))
    for _ in range(5):
        assert await fetch(client) == b"ok"
    assert server.connections == 1


@pytest.mark.parametrize("rogue", [b"0123456789", OK, b"\r\n\r\n"])
@pytest.mark.parametrize("separately", [True, False])
async def test_prx_04_content_after_a_reply_to_head_does_not_poison_the_pool(
    serve: Serve, client: AsyncClient, rogue: bytes, separately: bool
) -> None:
    def handler(conversation: Conversation) -> None:
        while True:
            if conversation.read_request().startswith(b"HEAD"):
                head = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
                conversation.send(*([head, rogue] if separately else [head + rogue]))
            else:
                conversation.send(b"HTTP/1.1 201 Right\r\nContent-Length: 5\r\n\r\nright")

    serve(handler)
    begun = time.monotonic()
    response = await call(client, "HEAD")
    assert response.status == 200
    assert (b"Content-Length", b"1234") in response.raw_headers
    assert await response.read_at_most(0) == b""
    assert await fetch(client) == b"right"
    assert time.monotonic() - begun < 20, "nobody waited for the content that a HEAD announces"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_prx_04_content_after_204_and_304_does_not_poison_the_pool(
    serve: Serve, client: AsyncClient, status: bytes
) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\nrogue")
        conversation.read_request()
        conversation.send(OK)

    server = serve(handler)
    response = await call(client)
    assert response.status == int(status[:3])
    assert await response.read_at_most(0) == b""
    assert server.connections == 1


async def test_prx_04_head_204_and_304_without_content_end_at_once_and_keep_the_connection(
    serve: Serve, client: AsyncClient
) -> None:
    replies = [b"204 No Content", b"304 Not Modified", b"200 OK"]

    def handler(conversation: Conversation) -> None:
        for status in replies:
            conversation.read_request()
            conversation.send(b"HTTP/1.1 " + status + b"\r\nETag: x\r\n\r\n")

    server = serve(handler)
    assert await fetch(client) == b""
    assert await fetch(client) == b""
    assert await fetch(client, "HEAD") == b""
    assert server.connections == 1


async def test_prx_04_a_reply_that_nobody_asked_for_is_never_an_answer(
    serve: Serve, client: AsyncClient
) -> None:
    is_answered, is_sent = threading.Event(), threading.Event()

    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)
        assert is_answered.wait(20)
        if conversation.number == 1:
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            is_sent.set()
        conversation.wait_for_close()

    server = serve(handler)
    assert await fetch(client) == b"ok"
    is_answered.set()
    assert await asyncio.to_thread(is_sent.wait, 20)
    await asyncio.sleep(0.05)  # the loop reads what has come
    assert await fetch(client) == b"ok"
    assert server.connections == 2


async def test_a_second_reply_in_the_same_segment_is_never_an_answer(
    serve: Serve, client: AsyncClient
) -> None:
    server = serve(replying(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
    assert await fetch(client) == b"ok"
    assert await fetch(client) == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("framing", "content"),
    [(b"Content-Length: 5", b"right"), (b"Transfer-Encoding: chunked", b"5\r\nright\r\n0\r\n\r\n")],
)
@pytest.mark.parametrize("evil", [b"evil", b""], ids=["whole", "header-section"])
async def test_a_second_reply_in_the_segment_that_ends_a_streamed_one_is_never_an_answer(
    serve: Serve, client: AsyncClient, framing: bytes, content: bytes, evil: bytes
) -> None:
    def handler(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            conversation.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
            time.sleep(0.1)
            conversation.send(content + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + evil)

    server = serve(handler)
    assert await fetch(client) == b"right"
    assert await fetch(client) == b"right"
    assert server.connections == 2


@pytest.mark.parametrize(
    "whole",
    [
        OK,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
    ids=["length", "empty", "no-content", "chunked"],
)
@pytest.mark.parametrize("separately", [False, True], ids=["in-one", "in-two"])
async def test_the_beginning_of_a_second_reply_behind_a_reply_is_never_part_of_an_answer(
    serve: Serve, client: AsyncClient, whole: bytes, separately: bool
) -> None:
    """It lies in the parser, where nothing tells of it."""
    at = whole.find(b"\r\n\r\n") + 4 if separately and not whole.endswith(b"\r\n\r\n") else len(whole) - 5
    cut = at if separately else 0

    def handler(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            conversation.send(whole[:cut])
            time.sleep(0.05)
            conversation.send(whole[cut:] + b"HTTP/1.1 200 OK\r\nX-Evil: ")

    server = serve(handler)
    first = await fetch(client)
    assert await fetch(client) == first
    assert server.connections == 2


@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    ],
    ids=["length", "empty", "chunked", "no-content"],
)
@pytest.mark.parametrize("gap", [1, 2, 4])
def test_wherever_a_reply_is_cut_what_lies_behind_it_ends_the_connection(whole: bytes, gap: int) -> None:
    """The end of its header section may come in two parts, or in three."""
    loop = asyncio.new_event_loop()
    for at in range(1, len(whole)):
        protocol = Exchanges(loop)
        protocol.begin(has_no_content=False)
        for segment in (whole[:at], whole[at : at + gap], whole[at + gap :] + b"H"):
            protocol.data_received(segment)
        loop.run_until_complete(protocol.read())
        assert protocol.should_close, at
    loop.close()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nabcdef\r\n\r\nxy",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    ],
    ids=["length", "chunked", "no-content"],
)
def test_a_reply_that_ends_with_its_segment_keeps_its_connection_however_it_is_cut(
    whole: bytes, size: int
) -> None:
    loop = asyncio.new_event_loop()
    protocol = Exchanges(loop)
    for _ in range(2):
        protocol.begin(has_no_content=False)
        for at in range(0, len(whole), size):
            protocol.data_received(whole[at : at + size])
        assert protocol._payload is not None and protocol._payload.is_eof()
        loop.run_until_complete(protocol.read())
        assert not protocol.should_close
    loop.close()


def closing_after(requests: int, end: str = "close") -> Handler:
    """Answer some requests of the first connection, then take one more and break it off unanswered."""

    def handler(conversation: Conversation) -> None:
        answered = 0
        while True:
            conversation.read_request()
            if conversation.number == 1 and answered == requests:
                conversation.reset() if end == "reset" else conversation.sock.close()
                return
            conversation.send(OK)
            answered += 1

    return handler


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_prx_18_a_stale_connection_is_replaced_for_an_idempotent_method(
    serve: Serve, client: AsyncClient, method: str, end: str
) -> None:
    server = serve(closing_after(1, end))
    await fetch(client)
    response = await call(client, method, body=b"x" if method == "PUT" else None)
    assert response.status == 200
    await response.aclose()
    assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_prx_18_a_write_is_never_sent_twice(
    serve: Serve, client: AsyncClient, method: str, end: str
) -> None:
    server = serve(closing_after(1, end))
    await fetch(client)
    with pytest.raises(ReplyLost) as lost:
        await fetch(client, method, body=b"x")
    assert not lost.value.timed_out
    assert [request[:4].strip() for request in server.requests] == [b"GET", method.encode()[:4].strip()]


@pytest.mark.parametrize(("may", "requests"), [(True, 3), (False, 2)])
async def test_prx_18_a_request_of_which_the_caller_knows_better_is_not_sent_twice(
    serve: Serve, client: AsyncClient, may: bool, requests: int
) -> None:
    server = serve(closing_after(1))
    await fetch(client, may_repeat=lambda: pytest.fail("nothing was lost"))
    with contextlib.nullcontext() if may else pytest.raises(ReplyLost):
        await fetch(client, may_repeat=lambda: may)
    assert len(server.requests) == requests


async def test_prx_18_no_word_of_the_caller_makes_a_write_repeatable(
    serve: Serve, client: AsyncClient
) -> None:
    server = serve(closing_after(1))
    await fetch(client)
    with pytest.raises(ReplyLost):
        await fetch(client, "POST", body=b"x", may_repeat=lambda: True)
    assert len(server.requests) == 2


async def test_prx_18_a_streamed_put_is_not_sent_twice(serve: Serve, client: AsyncClient) -> None:
    server = serve(closing_after(1))
    await fetch(client)
    with pytest.raises(ReplyLost):
        await fetch(client, "PUT", body=pieces(b"ab"), content_length=2)
    assert len(server.requests) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_prx_18_a_fresh_connection_that_breaks_is_not_tried_again(
    serve: Serve, client: AsyncClient, method: str
) -> None:
    server = serve(closing_after(0))
    with pytest.raises(ReplyLost):
        await fetch(client, method)
    assert len(server.requests) == 1


async def test_prx_18_a_stale_connection_that_answered_a_byte_is_not_tried_again(
    serve: Serve, client: AsyncClient
) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)
        conversation.read_request()
        conversation.send(b"HTTP/1.1 2")

    server = serve(handler)
    await fetch(client)
    with pytest.raises(ReplyLost):
        await fetch(client)
    assert len(server.requests) == 2


async def test_prx_18_nothing_was_sent_on_a_connection_that_closed_before(
    serve: Serve, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(replying(OK))
    acquire = Pool.acquire

    async def acquire_and_lose(*args: Any, **kwargs: Any) -> Any:
        connection, protocol = await acquire(*args, **kwargs)
        connection.transport.close()
        return connection, protocol

    monkeypatch.setattr(Pool, "acquire", acquire_and_lose)
    with pytest.raises(ConnectFailed):
        await fetch(client, "POST", body=b"x")
    assert server.requests == []
