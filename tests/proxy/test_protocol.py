"""Header sections without an end, and fields that are none."""

from __future__ import annotations

import contextlib
import time

import pytest

from integrations.models import Connection
from proxy import protocol
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import reply
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served, read_reply

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
            while time.monotonic() - began < 3:
                with contextlib.suppress(TimeoutError):
                    if sock.recv(100) == b"":
                        break
                if begin[:3] == b"GET":
                    sock.sendall(b"a")
        assert 0.3 < time.monotonic() - began < 2


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
