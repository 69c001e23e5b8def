"""Connections that a session keeps for its next call, and those that it must not."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from egress import kept, resolver
from egress.errors import DestinationRefused, EgressError, ReplyLost
from egress.sync import Limits, harden, request, session
from tests.egress.conftest import ORIGIN, Serve
from tests.egress.servers import OK, Conversation, Handler, replying

LIMITS = Limits(max_content_bytes=100)


@pytest.fixture
def keeping() -> Iterator[requests.Session]:
    with harden(requests.Session(), limits=LIMITS, keeps_connections=True) as opened:
        yield opened


def post(keeping: requests.Session, url: str = ORIGIN + "/token") -> str:
    return request(keeping, "POST", url, data={"grant_type": "refresh_token"}).text


def test_calls_in_a_row_share_a_connection(serve: Serve, keeping: requests.Session) -> None:
    server = serve(replying(OK))

    assert [post(keeping) for _ in range(5)] == ["ok"] * 5
    assert server.connections == 1
    assert all(b"connection: close" not in sent.lower() for sent in server.requests)


def test_a_session_keeps_nothing_unless_asked(serve: Serve) -> None:
    server = serve(replying(OK))
    plain = session(LIMITS)

    assert [post(plain) for _ in range(2)] == ["ok"] * 2
    assert server.connections == 2
    assert all(b"\r\nConnection: close\r\n" in sent for sent in server.requests)


def test_chunked_content_leaves_the_connection_usable(serve: Serve, keeping: requests.Session) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    server = serve(replying(chunked))

    assert [post(keeping), post(keeping)] == ["ok", "ok"]
    assert server.connections == 1


def test_ref_03_a_connection_that_the_server_has_closed_loses_no_reply(
    serve: Serve, keeping: requests.Session
) -> None:
    def once(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)

    server = serve(once)
    for number in range(1, 4):
        assert post(keeping) == "ok"
        assert server.connections == number
        server.wait_until_it_closed()


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ],
    ids=["close", "http-1.0", "refusal", "no-content", "more-behind-it"],
)
def test_such_a_reply_ends_its_connection(serve: Serve, keeping: requests.Session, reply: bytes) -> None:
    server = serve(replying(reply))

    assert post(keeping) == post(keeping) != "evil"
    assert server.connections == 2


def test_what_arrives_unasked_is_no_reply(serve: Serve, keeping: requests.Session) -> None:
    is_answered, is_sent = threading.Event(), threading.Event()

    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)
        assert is_answered.wait(20)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        is_sent.set()
        conversation.wait_for_close()

    server = serve(handler)
    assert post(keeping) == "ok"
    is_answered.set()
    assert is_sent.wait(20)
    assert post(keeping) == "ok"
    assert server.connections == 2


def test_content_beyond_the_limit_ends_the_connection(serve: Serve, keeping: requests.Session) -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200
    server = serve(_first_then(long, OK))

    with pytest.raises(EgressError):
        post(keeping)
    assert post(keeping) == "ok"
    assert server.connections == 2


def _first_then(first: bytes, then: bytes) -> Handler:
    def handler(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            conversation.send(first if conversation.number == 1 else then)

    return handler


def test_a_connection_that_was_idle_for_long_is_not_used(
    serve: Serve, keeping: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(replying(OK))
    post(keeping)
    monkeypatch.setattr(kept, "IDLE_SECONDS", -1.0)
    post(keeping)
    assert server.connections == 2


def test_the_deadline_holds_on_a_kept_connection(serve: Serve) -> None:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)
        conversation.read_request()
        conversation.wait_for_close()

    serve(handler)
    limits = Limits(total_seconds=1)
    with harden(requests.Session(), limits=limits, keeps_connections=True) as keeping:
        assert post(keeping) == "ok"
        begun = time.monotonic()
        with pytest.raises(ReplyLost) as lost:
            post(keeping)
    assert lost.value.timed_out
    assert time.monotonic() - begun < 8, "its server closes after ten seconds"


def test_prx_36_no_other_origin_gets_the_connection_or_goes_unchecked(
    serve: Serve, keeping: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(replying(OK))
    assert post(keeping) == "ok"
    monkeypatch.setattr(resolver, "lookup", lambda host: ["127.0.0.1"])

    with pytest.raises(DestinationRefused):
        post(keeping, "https://other.provider.example/token")
    assert server.connections == 1


def test_a_mapping_that_is_gone_takes_its_connection_along(
    serve: Serve, keeping: requests.Session, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(replying(OK))
    assert post(keeping) == "ok"
    settings.UPSTREAM_MAP = {}
    monkeypatch.setattr(resolver, "lookup", lambda host: ["127.0.0.1"])

    with pytest.raises(DestinationRefused):
        post(keeping)


def test_tls_is_negotiated_once_for_calls_in_a_row(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    server = serve(replying(OK), ssl_context=server_tls)
    with harden(requests.Session(), limits=LIMITS, ssl_context=client_tls, keeps_connections=True) as opened:
        assert [post(opened) for _ in range(3)] == ["ok"] * 3
    assert server.connections == 1


def test_a_closed_session_leaves_no_connection_open(serve: Serve) -> None:
    closed: list[bool] = []

    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(OK)
        closed.append(conversation.wait_for_close())

    serve(handler)
    with harden(requests.Session(), limits=LIMITS, keeps_connections=True) as opened:
        assert post(opened) == "ok"
    deadline = time.monotonic() + 20
    while not closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert closed == [True]
