import asyncio

import pytest

from egress.aio import AsyncClient, Timeouts
from egress.errors import (
    ContentTooLarge,
)
from tests.egress.calls import call, fetch
from tests.egress.conftest import Serve
from tests.egress.servers import OK, Conversation, replying


async def test_prx_16_25_the_header_section_comes_back_as_received(serve: Serve, client: AsyncClient) -> None:
    serve(
        replying(
            b"HTTP/1.1 299 Odd Reason\r\nLink: <a>\r\nSET-cookie: a=1\r\nlink: <b>\r\nSet-Cookie: b=2\r\n"
            b'Content-Disposition: attachment; filename="\xc3\xa9.pdf"\r\nX-Latin1: \xe9\r\n'
            b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8bab"
        )
    )
    response = await call(client)
    assert (response.status, response.reason) == (299, "Odd Reason")
    assert list(response.raw_headers) == [
        (b"Link", b"<a>"),
        (b"SET-cookie", b"a=1"),
        (b"link", b"<b>"),
        (b"Set-Cookie", b"b=2"),
        (b"Content-Disposition", b'attachment; filename="\xc3\xa9.pdf"'),
        (b"X-Latin1", b"\xe9"),
        (b"Content-Encoding", b"gzip"),
        (b"Content-Length", b"4"),
    ]
    assert await response.read_at_most(4) == b"\x1f\x8bab"


async def test_no_cookie_is_kept(serve: Serve, client: AsyncClient) -> None:
    server = serve(replying(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"))
    await fetch(client)
    await fetch(client)
    assert b"ookie" not in server.requests[1]


async def test_interim_responses_are_passed_over(serve: Serve, client: AsyncClient) -> None:
    server = serve(
        replying(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", OK)
    )
    assert await fetch(client) == b"ok"
    assert await fetch(client) == b"ok"
    assert server.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_tok_23_a_redirect_is_handed_back(serve: Serve, client: AsyncClient, status: int) -> None:
    other = serve(replying(OK), origin="https://other.example")
    serve(
        replying(b"HTTP/1.1 %d X\r\nLocation: https://other.example/\r\nContent-Length: 0\r\n\r\n" % status)
    )
    response = await call(client)
    assert response.status == status
    assert await response.read_at_most(0) == b""
    assert other.connections == 0


async def test_prx_22_a_long_reply_streams_with_back_pressure(serve: Serve, client: AsyncClient) -> None:
    sent = 0

    def handler(conversation: Conversation) -> None:
        nonlocal sent
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(800):
            conversation.send(b"x" * 65536)
            sent += 65536

    serve(handler)
    response = await call(client, timeouts=Timeouts())
    size = 0
    async for chunk in response.iter_chunks():
        if not size:
            await asyncio.sleep(0.2)
            assert sent < 30_000_000, "the sender must wait for the reader"
        assert len(chunk) < 1_000_000
        size += len(chunk)
    assert size == 800 * 65536


async def test_content_beyond_a_limit_is_cut(serve: Serve, client: AsyncClient) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            conversation.send(b" " * 65536)

    serve(handler)
    response = await call(client)
    with pytest.raises(ContentTooLarge):
        await response.read_at_most(1_000_000)


async def test_a_small_reply_is_complete_at_once(serve: Serve, client: AsyncClient) -> None:
    serve(replying(OK))
    response = await call(client)
    assert response.is_complete
    assert response.read_buffered() == b"ok"
    assert response.read_buffered() == b""
