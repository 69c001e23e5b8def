"""Header sections without an end, and fields that are none."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import pytest
import uvicorn
from uvicorn.config import WS_PROTOCOLS
from uvicorn.server import ServerState

from integrations.models import Connection
from proxy import protocol
from proxy.protocol import BoundedProtocol
from tests.egress.servers import Conversation, replying
from tests.factories import World
from tests.proxy.calls import bearer, problem, reply
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served, read_reply, served

pytestmark = pytest.mark.served
LINE = b"X-A: " + b"a" * 10_000 + b"\r\n"


@pytest.mark.parametrize("endless", [LINE, b"X-A: " + b"a" * 100_000, b"X: 1\r\n" * 1_000])
@pytest.mark.parametrize(
    "begin", [b"GET /healthz HTTP/1.1\r\n", b"GET /healthz?", b"GET /healthz HTTP/1.1\r\nX: "]
)
def test_a_header_section_without_end_is_cut_off(platform: Served, begin: bytes, endless: bytes) -> None:
    with platform.connect() as sock:
        sent = 0
        with contextlib.suppress(ConnectionError):
            sock.sendall(begin)
            while sent < 20_000_000:
                sock.sendall(endless)
                sent += len(endless)
        assert sent < 10_000_000


def test_a_header_section_that_is_too_long_is_told_so(platform: Served) -> None:
    with platform.connect() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + LINE * 20)
        assert read_reply(sock).status == 431
    long_enough = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + LINE * 6 + b"\r\n"
    assert platform.raw(long_enough).status == 200


@pytest.mark.parametrize("size", [20_000, 65_000])
@pytest.mark.parametrize(
    "head",
    [b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: %b\r\n\r\n", b"GET /healthz?%b HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["field", "target"],
)
def test_a_header_section_is_as_long_as_it_may_be_however_it_is_cut(
    platform: Served, head: bytes, size: int
) -> None:
    """What is whole at once is measured too; what stands before and behind it in its segment is no part of it."""
    assert platform.raw(head % (b"a" * size)).status == 200
    assert platform.raw(head % (b"a" * (protocol.MAX_HEAD_BYTES + size))).status == 431


async def test_a_header_section_that_comes_in_one_segment_is_measured_alone() -> None:
    transport = Transport()
    connection = connected(transport)
    short = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 60_000 + b"\r\n\r\n"
    connection.data_received(short * 3)
    assert (transport.written, transport.is_closed) == (b"", False)
    assert len(connection.pipeline) == 2
    long = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 140_000 + b"\r\n\r\n"
    for before in (b"", b"\r\n"):
        transport = Transport()
        connection = connected(transport)
        connection.data_received(before + long)
        assert transport.written.startswith(b"HTTP/1.1 431 ")
        assert transport.is_closed
        assert connection.cycle is None
        connection.connection_lost(None)


@pytest.mark.parametrize("begin", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: "])
@pytest.mark.parametrize("is_second", [False, True])
def test_a_header_section_that_drips_is_cut_off(
    platform: Served, monkeypatch: pytest.MonkeyPatch, begin: bytes, is_second: bool
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with platform.connect() as sock:
        if is_second:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_reply(sock).status == 200
            begin = begin or b"G"
        sock.sendall(begin)
        began = time.monotonic()
        sock.settimeout(0.1)
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 30:
                with contextlib.suppress(TimeoutError):
                    if sock.recv(100) == b"":
                        break
                if begin[:3] == b"GET":
                    sock.sendall(b"a")
        assert 0.3 < time.monotonic() - began < 20


def test_a_header_section_that_is_too_long_does_not_spoil_the_reply_before_it(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    is_sent = threading.Event()

    def handler(talk: Conversation) -> None:
        talk.read_request()
        is_sent.set()
        time.sleep(0.3)
        talk.send(reply(body=b"whole"))

    provider(handler)
    with platform.connect() as sock:
        head = f"GET /proxy/hbdev/cust/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {at.api_key}\r\n\r\n"
        sock.sendall(head.encode())
        assert is_sent.wait(20)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 140_000 + b"\r\n\r\n")
        got = read_reply(sock)
        assert (got.status, got.body) == (200, b"whole")
        assert sock.recv(100) == b""


@pytest.mark.parametrize("drop", [b"x", b"\r\n"], ids=["content", "between-requests"])
def test_content_that_drips_after_its_reply_is_cut_off(
    platform: Served, monkeypatch: pytest.MonkeyPatch, drop: bytes
) -> None:
    monkeypatch.setattr(protocol, "REST_SECONDS", 0.5)
    length = 1_000_000 if drop == b"x" else 0
    with platform.connect() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
        assert read_reply(sock).status == 200
        began = time.monotonic()
        sock.settimeout(0.05)
        is_open = True
        while is_open and time.monotonic() - began < 20:
            with contextlib.suppress(TimeoutError):
                try:
                    sock.sendall(drop)
                    is_open = sock.recv(100) != b""
                except ConnectionError:
                    is_open = False
        assert not is_open


def test_content_that_comes_after_its_reply_ends_no_later_call(
    platform: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REST_SECONDS", 0.5)
    with platform.connect() as sock:
        for _ in range(3):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
            assert read_reply(sock).status == 200
            sock.sendall(b"rest")
            time.sleep(0.1)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_reply(sock).status == 200
        time.sleep(0.7)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_reply(sock).status == 200


def test_a_websocket_is_refused_whatever_the_server_could_speak(
    at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    monkeypatch.setitem(WS_PROTOCOLS, "auto", f"{__name__}:Taken")
    upgrade = {"Connection": "Upgrade", "Upgrade": "WebSocket", "Sec-WebSocket-Version": "13"}
    with served() as platform:
        for path in ("/proxy/hbdev/cust/x", "/proxy/hbdev", "/healthz", "/admin/"):
            got = platform.call(
                "GET", path, bearer(at) | upgrade | {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
            )
            assert (got.status, problem(got.body)["field"]) == (400, "Upgrade")
        offer = {"Connection": "Upgrade", "Upgrade": "h2c"}
        assert platform.call("GET", "/proxy/hbdev/cust/x", bearer(at) | offer).body == b"ok"
    assert len(upstream.requests) == 1


class Taken:
    """What would take a connection over."""

    def __init__(self, **kwargs: object) -> None:
        raise AssertionError("the connection was handed over")


def test_a_uvicorn_that_is_built_in_another_way_is_refused_with_a_reason() -> None:
    class HttpToolsProtocol:
        def send_400_response(self, msg: str) -> None: ...

    with pytest.raises(RuntimeError, match=r"HttpToolsProtocol has no _start_asgi_task, .*requirements.txt"):
        protocol.require_parts(HttpToolsProtocol)


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def connected(transport: Transport) -> BoundedProtocol:
    """A connection whose calls are never begun."""

    async def application(scope: Any, receive: Any, send: Any) -> None: ...

    config = uvicorn.Config(application, log_config=None)
    config.load()
    made = BoundedProtocol(config=config, server_state=ServerState(), app_state={})
    made.connection_made(transport)
    return made


def test_connections_serve_on_after_the_time_for_a_header_section(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    provider(replying(reply(body=b"ok")))
    head = (
        "POST /proxy/hbdev/cust/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        f"Authorization: Bearer {at.api_key}\r\n"
    )
    with platform.connect() as sock:
        for _ in range(3):
            sock.sendall(head.encode() + b"\r\n")
            time.sleep(0.5)
            sock.sendall(b"{}")
            assert read_reply(sock).body == b"ok"
            time.sleep(0.4)


def test_trailer_fields_are_no_header_fields(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    head = (
        "POST /proxy/hbdev/cust/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: Bearer {at.api_key}\r\n\r\n2\r\n{{}}\r\n0\r\nX-Late: 1\r\nPatchbay-Host: evil.example\r\n\r\n"
    )
    for _ in ("cold", "hot"):
        assert platform.raw(head.encode()).status == 200
        assert b"x-late" not in upstream.requests[-1]
