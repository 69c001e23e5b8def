"""Caps on bodies and header sections, and every time-out, on the platform as it is served."""

from __future__ import annotations

import contextlib
import socket
import time
from queue import Queue
from typing import Any

import pytest

from proxy import plane
from tests.egress.servers import Conversation, replying
from tests.factories import World
from tests.proxy.calls import bearer, problem, reply
from tests.proxy.conftest import API, Serve
from tests.proxy.servers import Served, read_reply

pytestmark = [pytest.mark.served, pytest.mark.usefixtures("cust")]
TARGET = "/proxy/hbdev/cust/x"
CAP = 600_000


@pytest.fixture
def _capped(settings: Any) -> None:
    settings.PROXY_MAX_BODY_BYTES = CAP


def uploading(at: World, *fields: str) -> bytes:
    lines = [f"PUT {TARGET} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {at.api_key}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.usefixtures("_capped")
@pytest.mark.parametrize(("length", "status"), [(CAP - 1, 200), (CAP, 200), (CAP + 1, 413)])
def test_prx_23_a_body_up_to_the_cap_goes_through_and_one_byte_more_is_refused_with_the_number(
    platform: Served, at: World, provider: Serve, length: int, status: int
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    got = platform.call("PUT", TARGET, bearer(at), b"x" * length)
    assert got.status == status
    if status == 413:
        assert (problem(got.body)["code"], problem(got.body)["maxBytes"]) == ("content_too_large", CAP)
        assert upstream.connections == 0
    else:
        assert upstream.requests[0].endswith(b"\r\n\r\n" + b"x" * length)


@pytest.mark.usefixtures("_capped")
def test_prx_23_a_body_that_does_not_tell_its_length_is_cut_at_the_cap(
    platform: Served, at: World, provider: Serve
) -> None:
    ended: Queue[bool] = Queue()

    def handler(talk: Conversation) -> None:
        talk.read_until(b"\r\n\r\n")
        ended.put(talk.wait_for_close())

    provider(handler)
    chunk = b"%x\r\n%b\r\n" % (100_000, b"x" * 100_000)
    with platform.connect() as sock:
        sock.sendall(uploading(at, "Transfer-Encoding: chunked") + chunk * 7 + b"0\r\n\r\n")
        got = read_reply(sock)
    assert (got.status, problem(got.body)["code"]) == (413, "content_too_large")
    assert ended.get(timeout=30)


@pytest.mark.usefixtures("_capped")
@pytest.mark.parametrize(("length", "is_whole"), [(CAP, True), (CAP + 1, False), (5, True)])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_prx_22_a_reply_beyond_the_cap_breaks_off_and_never_looks_whole(
    platform: Served, at: World, provider: Serve, length: int, is_whole: bool, framing: str
) -> None:
    if framing == "length":
        provider(replying(reply(body=b"x" * length)))
    else:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        provider(replying(head + b"%x\r\n" % length + b"x" * length + b"\r\n0\r\n\r\n"))
    got = platform.call("GET", TARGET, bearer(at))
    assert (got.status, got.is_whole) == (200, is_whole)
    assert len(got.body) == length if is_whole else len(got.body) <= CAP


@pytest.mark.parametrize(
    "fields", [b"X-Note: " + b"x" * 40_000 + b"\r\n", b"X-Note: x\r\n" * 600], ids=["long", "many"]
)
def test_a_reply_whose_header_section_is_too_long_is_the_providers_failure(
    platform: Served, at: World, provider: Serve, fields: bytes
) -> None:
    provider(replying(b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\n\r\n"))
    got = platform.call("GET", TARGET, bearer(at))
    assert (got.status, problem(got.body)["code"]) == (502, "upstream_unreachable")


def test_prx_24_a_header_section_that_drips_in_is_a_time_out_as_a_whole(
    platform: Served, at: World, provider: Serve
) -> None:
    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            talk.send(b"X")
            time.sleep(0.05)

    provider(handler)
    began = time.monotonic()
    got = platform.call("GET", TARGET, bearer(at) | {"Patchbay-Timeout": "1"})
    assert (got.status, problem(got.body)["code"]) == (504, "upstream_timeout")
    assert time.monotonic() - began >= 0.9


def test_prx_24_content_that_drips_for_ever_breaks_off_when_the_whole_takes_too_long(
    platform: Served, at: World, provider: Serve, settings: Any
) -> None:
    settings.PROXY_TOTAL_SECONDS = 1.0

    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            talk.send(b"1\r\nx\r\n")
            time.sleep(0.05)

    upstream = provider(handler)
    got = platform.call("GET", TARGET, bearer(at))
    assert (got.status, got.is_whole) == (200, False)
    assert 0 < len(got.body) <= 25
    (here,) = plane._planes.values()
    assert here.limits.calls == 0
    assert upstream.connections == 1


def test_content_that_stalls_breaks_off_after_the_idle_time(
    platform: Served, at: World, provider: Serve, settings: Any
) -> None:
    settings.PROXY_IDLE_SECONDS = 0.3

    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        talk.wait_for_close()

    provider(handler)
    got = platform.call("GET", TARGET, bearer(at))
    assert (got.body, got.is_whole) == (b"half", False)


def test_a_provider_that_takes_no_connection_is_given_up(platform: Served, at: World, settings: Any) -> None:
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(4):  # nobody accepts: from here on the kernel lets connections wait
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        settings.UPSTREAM_MAP = {API: f"http://127.0.0.1:{address[1]}"}
        got = platform.call("GET", TARGET, bearer(at) | {"Patchbay-Timeout": "0.3"})
    assert (got.status, problem(got.body)["code"]) == (504, "upstream_timeout")
    assert got.get("Proxy-Status") == "patchbay; error=connection_timeout"
