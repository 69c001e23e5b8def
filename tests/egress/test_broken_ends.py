"""A reply without a length ends with its connection: whole only where the server ended it, not where it broke."""

import contextlib
import ssl
from collections.abc import Callable

import pytest

from egress.aio import AsyncClient
from egress.errors import InvalidReply, ReplyAborted
from egress.urls import parse_url
from tests.egress.conftest import ORIGIN, Serve
from tests.egress.servers import Conversation

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
CONTENT = b"no more, no less" * 20_000


def ending(
    end: Callable[[Conversation], None], *, content: bytes = CONTENT
) -> Callable[[Conversation], None]:
    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(HEAD, content)
        end(talk)

    return handler


def finish(talk: Conversation) -> None:
    """With a FIN and nothing else: in TLS that is no closure alert."""
    talk.sock.close()


def alert(talk: Conversation) -> None:
    assert isinstance(talk.sock, ssl.SSLSocket)
    with contextlib.suppress(OSError, ssl.SSLError):
        talk.sock.unwrap()


async def content(client: AsyncClient) -> bytes:
    reply = await client.stream("GET", parse_url(f"{ORIGIN}/x"), headers=[])
    return b"".join([chunk async for chunk in reply.iter_chunks()])


async def test_a_reply_that_ends_with_its_connection_is_whole(client: AsyncClient, serve: Serve) -> None:
    serve(ending(finish))
    assert await content(client) == CONTENT


@pytest.mark.parametrize("size", [0, 5, len(CONTENT)])
async def test_a_reset_is_no_end(client: AsyncClient, serve: Serve, size: int) -> None:
    serve(ending(Conversation.reset, content=CONTENT[:size]))
    with pytest.raises(ReplyAborted):
        await content(client)


async def test_a_closure_alert_ends_a_reply_over_tls(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    serve(ending(alert), ssl_context=server_tls)
    async with AsyncClient(ssl_context=client_tls) as client:
        assert await content(client) == CONTENT


@pytest.mark.parametrize("size", [0, 5, len(CONTENT)])
async def test_an_end_without_closure_alert_is_no_end_over_tls(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, size: int
) -> None:
    """RFC 9112 section 9.8: it may have been cut by anybody on the way."""
    serve(ending(finish, content=CONTENT[:size]), ssl_context=server_tls)
    async with AsyncClient(ssl_context=client_tls) as client:
        with pytest.raises(ReplyAborted):
            await content(client)


async def test_an_end_without_closure_alert_does_no_harm_to_a_reply_with_a_length(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT), CONTENT)
        talk.sock.close()

    serve(handler, ssl_context=server_tls)
    async with AsyncClient(ssl_context=client_tls) as client:
        assert await content(client) == CONTENT


@pytest.mark.parametrize(
    "coding", [b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked\r\nTransfer-Encoding: gzip"]
)
async def test_a_transfer_coding_that_is_not_undone_here_is_refused(
    client: AsyncClient, serve: Serve, coding: bytes
) -> None:
    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + coding + b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")

    serve(handler)
    with pytest.raises(InvalidReply):
        await content(client)
