import contextlib
import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from egress.errors import (
    ConnectFailed,
    ConnectTimeout,
    ContentTooLarge,
    InvalidReply,
    ReplyAborted,
    ReplyLost,
)
from egress.sync import Limits, request, session
from tests.egress.conftest import ORIGIN, Serve
from tests.egress.servers import OK, Conversation, replying

#: for calls that must run into it; all others have the real limits, so that a busy machine fails none
SHORT = Limits(total_seconds=0.4)


def get(path: str = "/x", *, limits: Limits | None = None, **kwargs: Any) -> requests.Response:
    return request(session(limits), "GET", ORIGIN + path, **kwargs)


@contextlib.contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Measure the peak of Python's own memory, in bytes, inside the block."""
    peak: list[int] = []
    tracemalloc.start()
    try:
        yield peak
    finally:
        peak.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()


def drip(conversation: Conversation, start: bytes, drop: bytes) -> None:
    conversation.read_request()
    conversation.send(start)
    for _ in range(600):
        time.sleep(0.03)
        conversation.send(drop)


@pytest.mark.parametrize(
    ("start", "drop", "error"),
    [
        (b"", b"H", ReplyLost),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", ReplyLost),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"b", ReplyLost),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", ReplyLost),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", b"x", ReplyAborted),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", ReplyAborted),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x", ReplyAborted),
    ],
)
def test_prx_24_a_drip_does_not_move_the_deadline(
    serve: Serve, start: bytes, drop: bytes, error: type[ReplyLost]
) -> None:
    serve(lambda conversation: drip(conversation, start, drop))
    begun = time.monotonic()
    with pytest.raises(error) as lost:
        get(limits=SHORT)
    assert lost.value.timed_out
    assert 0.3 < time.monotonic() - begun < 10


def test_prx_24_a_server_that_does_not_read_does_not_move_the_deadline(serve: Serve) -> None:
    release = threading.Event()
    serve(lambda conversation: release.wait(20) and None)
    begun = time.monotonic()
    with pytest.raises(ReplyLost) as lost:
        request(session(SHORT), "POST", f"{ORIGIN}/", data=b"x" * 30_000_000)
    release.set()
    assert lost.value.timed_out
    assert time.monotonic() - begun < 10


def test_ref_03_a_reply_that_never_comes_is_lost_and_not_refused(serve: Serve) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        time.sleep(1)

    server = serve(handler)
    with pytest.raises(ReplyLost) as lost:
        request(session(SHORT), "POST", f"{ORIGIN}/token", data={"refresh_token": "r1"})
    assert lost.value.timed_out
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_ref_03_a_connection_broken_after_the_request_is_a_lost_reply(serve: Serve, how: str) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.reset() if how == "reset" else conversation.sock.close()

    server = serve(handler)
    with pytest.raises(ReplyLost) as lost:
        request(session(), "POST", f"{ORIGIN}/token", data={"a": "b"})
    assert not lost.value.timed_out
    assert len(server.requests) == 1


def test_nothing_was_sent_when_nobody_listens(serve: Serve) -> None:
    serve(replying(OK)).close()
    with pytest.raises(ConnectFailed):
        get()


def test_a_name_without_address_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectFailed) as failed:
        get()
    assert failed.value.proxy_error == "dns_error"


def test_a_slow_name_server_does_not_move_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def slow(*args: object, **kwargs: object) -> list[Any]:
        release.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    begun = time.monotonic()
    with pytest.raises(ConnectTimeout) as late:
        get(limits=SHORT)
    release.set()
    assert late.value.proxy_error == "dns_timeout"
    assert time.monotonic() - begun < 10


def test_tok_24_an_endless_reply_is_cut_at_the_limit_with_flat_memory(serve: Serve) -> None:
    sent = 0

    def handler(conversation: Conversation) -> None:
        nonlocal sent
        conversation.read_request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        spaces = b" " * 65536
        while sent < 200_000_000:
            conversation.send(spaces)
            sent += len(spaces)
        conversation.send(b'{"access_token":"a"}')

    serve(handler)
    with peak_memory() as peak, pytest.raises(ContentTooLarge):
        get(limits=Limits(total_seconds=5))
    assert peak[0] < 5_000_000
    assert sent < 20_000_000


def test_tok_24_an_announced_length_beyond_the_limit_is_not_read(serve: Serve) -> None:
    serve(replying(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n"))
    with pytest.raises(ContentTooLarge):
        get()


def test_tok_24_content_of_exactly_the_limit_is_taken(serve: Serve) -> None:
    serve(replying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000))
    assert len(get(limits=Limits(max_content_bytes=1000)).content) == 1000
    with pytest.raises(ContentTooLarge):
        get(limits=Limits(max_content_bytes=999))


def gzipped(data: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)


def test_tok_24_a_decompression_bomb_is_cut_at_the_limit(serve: Serve) -> None:
    bomb = gzip.compress(b" " * 100_000_000, mtime=0)
    serve(replying(gzipped(bomb)))
    with peak_memory() as peak, pytest.raises(ContentTooLarge):
        get(limits=Limits(total_seconds=5))
    assert peak[0] < 5_000_000


def test_gzip_that_was_not_asked_for_is_decoded(serve: Serve) -> None:
    serve(replying(gzipped(gzip.compress(b'{"a": 1}', mtime=0))))
    assert get().json() == {"a": 1}


@pytest.mark.parametrize(
    "reply",
    [
        gzipped(b"not gzip"),
        gzipped(gzip.compress(b"x" * 100, mtime=0)[:-9]),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_a_reply_that_cannot_be_read_is_invalid(serve: Serve, reply: bytes) -> None:
    serve(replying(reply))
    with pytest.raises(InvalidReply):
        get()


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
def test_a_reply_that_breaks_off_is_aborted(serve: Serve, reply: bytes) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(reply)

    serve(handler)
    with pytest.raises(ReplyAborted) as aborted:
        get()
    assert not aborted.value.timed_out


def test_a_reply_without_a_length_ends_with_the_connection(serve: Serve) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(b"HTTP/1.0 200 OK\r\nX-A: 1\r\nX-A: 2\r\n\r\nall of it")

    serve(handler)
    response = get()
    assert response.text == "all of it"
    assert response.headers["x-a"] == "1, 2"
