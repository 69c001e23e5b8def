"""Streaming: nothing is held back, nothing is held on to, and a break is a break for both sides."""

from __future__ import annotations

import hashlib
import socket
import threading
import time

import pytest

from tests.egress.servers import Conversation, replying
from tests.factories import World
from tests.proxy.calls import bearer, problem, reply
from tests.proxy.conftest import Serve
from tests.proxy.exact.test_flow import settled
from tests.proxy.servers import Served, read_reply

pytestmark = [pytest.mark.served, pytest.mark.usefixtures("cust")]
ROOT = "/proxy/hbdev/cust"
CHUNK = bytes(range(256)) * 256


def memory_kib() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def get(platform: Served, at: World, path: str = "/x") -> socket.socket:
    """Send a GET and leave the reply to be read."""
    sock = platform.connect()
    sock.sendall(
        f"GET {ROOT}{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n\r\n".encode()
    )
    return sock


def test_prx_22_a_large_download_streams(platform: Served, at: World, provider: Serve) -> None:
    chunks = 1_600  # 100 MB
    first_sent = threading.Event()

    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        talk.send(b"%x\r\n%b\r\n" % (5, b"first"))
        first_sent.wait(30)
        for _ in range(chunks):
            talk.send(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
        talk.send(b"0\r\n\r\n")

    provider(handler)
    with get(platform, at) as sock:
        head = sock.recv(65536)
        while b"first" not in head:
            head += sock.recv(65536)
        before = memory_kib()
        first_sent.set()
        count, tail = 0, b""
        while not tail.endswith(b"0\r\n\r\n"):
            data = sock.recv(262_144)
            assert data
            count += len(data)
            tail = (tail + data)[-7:]
        assert count > chunks * len(CHUNK)
        assert memory_kib() - before < 32 * 1024


def test_a_large_upload_streams_and_arrives_whole(platform: Served, at: World, provider: Serve) -> None:
    chunks = 800  # 50 MB
    digests: list[str] = []

    def handler(talk: Conversation) -> None:
        head = talk.read_until(b"\r\n\r\n")
        assert b"Content-Length: %d" % (chunks * len(CHUNK)) in head
        digest, left = hashlib.sha256(), chunks * len(CHUNK)
        data, talk._buffer = talk._buffer, b""
        while left:
            digest.update(data)
            left -= len(data)
            data = talk.sock.recv(65536) if left else b""
        digests.append(digest.hexdigest())
        talk.send(reply(body=b"ok"))

    provider(handler)
    before = memory_kib()
    with platform.connect() as sock:
        sock.sendall(
            f"PUT {ROOT}/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
            f"Content-Length: {chunks * len(CHUNK)}\r\n\r\n".encode()
        )
        expected = hashlib.sha256()
        for _ in range(chunks):
            sock.sendall(CHUNK)
            expected.update(CHUNK)
        assert read_reply(sock).body == b"ok"
    assert digests == [expected.hexdigest()]
    assert memory_kib() - before < 32 * 1024


def test_a_slow_reader_slows_the_provider(platform: Served, at: World, provider: Serve) -> None:
    sent = [0]

    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while sent[0] < 400 * len(CHUNK):
            talk.send(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
            sent[0] += len(CHUNK)

    provider(handler)
    with get(platform, at) as sock:
        sock.recv(1024)
        assert settled(lambda: sent[0]) < 400 * len(CHUNK)


def test_events_come_one_by_one(platform: Served, at: World, provider: Serve) -> None:
    go = threading.Event()

    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        talk.send(b"7\r\ndata: 1\r\n")
        go.wait(30)
        talk.send(b"7\r\ndata: 2\r\n0\r\n\r\n")

    provider(handler)
    with get(platform, at) as sock:
        seen = b""
        while b"data: 1" not in seen:
            seen += sock.recv(65536)
        assert b"data: 2" not in seen
        go.set()
        while b"data: 2" not in seen:
            seen += sock.recv(65536)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 100\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n64\r\n",
    ],
)
@pytest.mark.parametrize("is_hot", [False, True])
def test_a_reply_that_breaks_off_breaks_off_for_the_partner(
    platform: Served, at: World, provider: Serve, head: bytes, is_hot: bool
) -> None:
    if is_hot:
        provider(replying(reply()))
        platform.call("GET", f"{ROOT}/x", bearer(at))

    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\n" + head + b"only this")
        time.sleep(0.1)

    provider(handler)
    got = platform.call("GET", f"{ROOT}/x", bearer(at))
    assert (got.status, got.body, got.is_whole) == (200, b"only this", False)


def test_prx_35_a_partner_that_hangs_up_ends_the_providers_side(
    platform: Served, at: World, provider: Serve
) -> None:
    closed = threading.Semaphore(0)

    def handler(talk: Conversation) -> None:
        request = talk.read_request()
        if b"/after" in request:
            talk.send(reply(body=b"served"))
            return
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                talk.send(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
        except OSError:
            closed.release()

    provider(handler)
    callers = [get(platform, at) for _ in range(20)]
    for sock in callers:
        seen = 0
        while seen < 100_000:
            seen += len(sock.recv(65536))
    for sock in callers:
        sock.close()
    for _ in callers:
        assert closed.acquire(timeout=30)
    assert platform.call("GET", f"{ROOT}/after", bearer(at)).body == b"served"


@pytest.mark.parametrize("door", ["passthrough", "envelope"])
def test_prx_35_a_partner_that_hangs_up_while_waiting_is_noticed(
    platform: Served, at: World, provider: Serve, door: str
) -> None:
    gone = threading.Event()
    asked = threading.Event()

    def handler(talk: Conversation) -> None:
        talk.read_request()
        asked.set()
        if talk.wait_for_close():
            gone.set()

    provider(handler)
    sock = platform.connect()
    if door == "passthrough":
        sock.sendall(
            f"GET {ROOT}/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n\r\n".encode()
        )
    else:
        body = b'{"userForeignIdentifier":"cust","method":"GET","url":"/x"}'
        sock.sendall(
            f"POST /proxy/hbdev HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    assert asked.wait(30)
    sock.close()
    assert gone.wait(30)


def test_a_partner_that_hangs_up_amid_its_upload_is_noticed(
    platform: Served, at: World, provider: Serve
) -> None:
    gone = threading.Event()

    def handler(talk: Conversation) -> None:
        talk.read_until(b"\r\n\r\n")
        if talk.wait_for_close():
            gone.set()

    provider(handler)
    sock = platform.connect()
    sock.sendall(
        f"PUT {ROOT}/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
        "Content-Length: 10000000\r\n\r\n".encode()
        + CHUNK * 4
    )
    time.sleep(0.3)
    sock.close()
    assert gone.wait(30)


def test_an_early_reply_to_an_upload_comes_back(platform: Served, at: World, provider: Serve) -> None:
    def handler(talk: Conversation) -> None:
        talk.read_until(b"\r\n\r\n")
        talk.send(reply("413 Too Large", body=b"enough"))
        talk.wait_for_close()

    provider(handler)
    with platform.connect() as sock:
        sock.sendall(
            f"PUT {ROOT}/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
            "Content-Length: 10000000\r\n\r\n".encode()
            + CHUNK
        )
        got = read_reply(sock)
    assert (got.status, got.body, got.is_whole) == (413, b"enough", True)


def test_expect_100_continue_is_answered_here(platform: Served, at: World, provider: Serve) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    with platform.connect() as sock:
        sock.sendall(
            f"POST {ROOT}/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
            "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"data")
        assert read_reply(sock).body == b"ok"
    assert b"expect" not in upstream.requests[-1].lower()


def test_a_provider_that_is_slow_or_away_is_told_from_us(
    platform: Served, at: World, provider: Serve
) -> None:
    provider(lambda talk: time.sleep(20))
    for _ in range(2):
        began = time.monotonic()
        got = platform.call("GET", f"{ROOT}/x", {**bearer(at), "Patchbay-Timeout": "0.5"})
        assert time.monotonic() - began < 10
        assert (got.status, problem(got.body)["code"]) == (504, "upstream_timeout")
        assert got.get("Proxy-Status") == "patchbay; error=http_response_timeout"
        assert got.get("X-Request-Id") == problem(got.body)["requestId"]


@pytest.mark.parametrize("is_hot", [False, True])
def test_a_provider_that_refuses_the_connection_is_unreachable(
    platform: Served, at: World, provider: Serve, settings: object, is_hot: bool
) -> None:
    provider(replying(reply()))
    if is_hot:
        platform.call("GET", f"{ROOT}/x", bearer(at))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings.UPSTREAM_MAP = {"https://api.hubapi.com": f"http://127.0.0.1:{port}"}  # type: ignore[attr-defined]
    got = platform.call("GET", f"{ROOT}/y", bearer(at))
    assert (got.status, problem(got.body)["code"]) == (502, "upstream_unreachable")
    assert got.get("Proxy-Status") == "patchbay; error=connection_refused"


def test_a_provider_that_does_not_speak_http_is_told_so(platform: Served, at: World, provider: Serve) -> None:
    provider(replying(b"SSH-2.0-x\r\n\r\n"))
    got = platform.call("GET", f"{ROOT}/x", bearer(at))
    assert (got.status, got.get("Proxy-Status")) == (502, "patchbay; error=http_protocol_error")


def test_prx_18_a_post_is_sent_once_whatever_happens(platform: Served, at: World, provider: Serve) -> None:
    def resetting(talk: Conversation) -> None:
        talk.read_request()
        talk.reset()

    upstream = provider(resetting)
    for headers in ({}, {"Patchbay-Retries": "2"}):
        got = platform.call("POST", f"{ROOT}/x", {**bearer(at), **headers}, b"{}")
        assert (got.status, problem(got.body)["code"]) == (502, "upstream_unreachable")
    assert len(upstream.requests) == 2
    upstream = provider(replying(reply("503 Away", body=b"theirs")))
    got = platform.call("POST", f"{ROOT}/x", {**bearer(at), "Patchbay-Retries": "2"}, b"{}")
    assert (got.status, got.body, len(upstream.requests)) == (503, b"theirs", 1)


@pytest.mark.parametrize(
    ("method", "headers"), [("GET", {}), ("PUT", {}), ("POST", {"Idempotency-Key": "k"})]
)
def test_prx_18_what_does_no_harm_twice_is_retried_on_request(
    platform: Served, at: World, provider: Serve, method: str, headers: dict[str, str]
) -> None:
    def handler(talk: Conversation) -> None:
        while True:
            talk.read_request()
            if len(talk.server.requests) == 1:
                talk.reset()
                return
            if len(talk.server.requests) == 2:
                talk.send(reply("429 Slow", b"Retry-After: 0"))
            else:
                talk.send(reply(body=b"third"))

    upstream = provider(handler)
    got = platform.call(
        method,
        f"{ROOT}/x",
        {**bearer(at), **headers, "Patchbay-Retries": "2"},
        None if method == "GET" else b"abc",
    )
    assert (got.status, got.body, len(upstream.requests)) == (200, b"third", 3)
    assert len({request.partition(b"\r\n\r\n")[2] for request in upstream.requests}) == 1


def test_waiting_calls_do_not_hold_each_other_up(platform: Served, at: World, provider: Serve) -> None:
    def handler(talk: Conversation) -> None:
        talk.read_request()
        time.sleep(1)
        talk.send(reply(body=b"ok"))

    provider(handler)
    platform.call("GET", f"{ROOT}/x", bearer(at))
    began = time.monotonic()
    callers = [get(platform, at) for _ in range(60)]
    assert all(read_reply(sock).body == b"ok" for sock in callers)
    assert time.monotonic() - began < 30, "one after the other they would take a minute"
    for sock in callers:
        sock.close()


@pytest.mark.parametrize(("idle", "total"), [(60.0, 1.0), (0.5, 60.0)])
def test_prx_24_a_dripping_or_silent_provider_is_cut_off(
    platform: Served, at: World, provider: Serve, settings: object, idle: float, total: float
) -> None:
    settings.PROXY_IDLE_SECONDS, settings.PROXY_TOTAL_SECONDS = idle, total  # type: ignore[attr-defined]

    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        while True:
            time.sleep(0.2)
            if idle > total:
                talk.send(b"1\r\nx\r\n")

    provider(handler)
    began = time.monotonic()
    got = platform.call("GET", f"{ROOT}/x", bearer(at))
    assert (got.status, got.is_whole) == (200, False)
    assert 0.4 < time.monotonic() - began < 30


def test_content_that_comes_slowly_is_waited_for_and_content_that_stalls_is_not(
    platform: Served, at: World, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.incoming.CONTENT_IDLE_SECONDS", 1.0)
    upstream = provider(replying(reply(body=b"ok")))
    for pause, pieces, status in ((0.3, 4, 200), (0.3, 2, 400)):
        with platform.connect() as sock:
            sock.sendall(
                f"POST {ROOT}/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
                "Content-Length: 8\r\n\r\n".encode()
            )
            for _ in range(pieces):
                time.sleep(pause)
                sock.sendall(b"ab")
            assert read_reply(sock).status == status
    assert len(upstream.requests) == 1
