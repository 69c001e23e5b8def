"""Nothing is held back, no side outruns the other, and who hangs up ends both sides at once."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import Callable

import pytest

from proxy import protocol
from tests.factories import World
from tests.proxy.exact.partner import Partner
from tests.proxy.exact.test_connections import head
from tests.proxy.exact.test_replies import request
from tests.proxy.exact.upstream import Reader, Upstream, Writer

pytestmark = pytest.mark.served
PIECE = bytes(range(256)) * 256
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#: what two sockets, their two buffers and this process may hold of a stream that nobody reads
HELD_BYTES = 24_000_000


def settled(count: Callable[[], int]) -> int:
    """What is counted once it has not changed for a while."""
    seen, since = count(), time.monotonic()
    while time.monotonic() - since < 0.4:
        time.sleep(0.02)
        if (now := count()) != seen:
            seen, since = now, time.monotonic()
    return seen


def test_each_event_comes_before_the_next_is_made(at: World, partner: Partner, upstream: Upstream) -> None:
    """The provider makes an event only when the partner has the one before it, also one in half a chunk."""
    arrived: list[int] = []

    async def conversation(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + b"%x\r\n" % (9 * 40))
        for number in range(40):
            writer.write(b"data: %02d\n" % number)
            await writer.drain()
            while len(arrived) <= number:
                await asyncio.sleep(0.001)
        writer.write(b"\r\n0\r\n\r\n")

    upstream.conversation = conversation
    partner.send(request(at, b"GET"))
    assert partner._until(b"\r\n\r\n") is not None
    for number in range(40):
        assert partner._until(b"data: %02d\n" % number) is not None
        arrived.append(number)
    assert partner._until(b"0\r\n\r\n") is not None


def test_content_goes_on_piece_by_piece_and_a_reply_may_run_beside_it(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    """The provider answers each piece of a content that is not over yet."""

    async def conversation(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        while (line := await reader.readuntil(b"\r\n")) != b"0\r\n":
            piece = (await reader.readexactly(int(line, 16) + 2))[:-2]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece.upper()))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    upstream.conversation = conversation
    partner.send(head(at, b"Transfer-Encoding: chunked"))
    for number in range(40):
        partner.send(b"8\r\npiece-%02d\r\n" % number)
        assert partner._until(b"PIECE-%02d\r\n" % number) is not None
    partner.send(b"0\r\n\r\n")
    assert partner._until(b"0\r\n\r\n") is not None


def test_prx_22_a_reader_that_does_not_read_stops_the_provider_and_gets_all_in_the_end(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    total = 1_200
    sent, digest = [0], hashlib.sha256(PIECE * total).hexdigest()

    async def conversation(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (total * len(PIECE)))
        for _ in range(total):
            writer.write(PIECE)
            await writer.drain()
            sent[0] += len(PIECE)

    upstream.conversation = conversation
    partner.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    partner.send(request(at, b"GET"))
    assert 0 < settled(lambda: sent[0]) < HELD_BYTES
    got = partner.read()
    assert got.is_whole
    assert hashlib.sha256(got.content).hexdigest() == digest


def _upload(at: World, partner: Partner, *, size: int) -> Callable[[], int]:
    """Send as much of a content as goes without waiting; the count of it, which goes on sending."""
    partner.send(head(at, b"Content-Length: %d" % size))
    partner.sock.setblocking(False)
    sent = 0

    def more() -> int:
        nonlocal sent
        try:
            while sent < size:
                start = sent % len(PIECE)
                sent += partner.sock.send(PIECE[start : start + size - sent])
        except BlockingIOError:
            pass
        return sent

    return more


def test_a_provider_that_does_not_read_stops_the_uploader_and_gets_all_in_the_end(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    size = 1_200 * len(PIECE)
    go, digests = asyncio.Event(), []

    async def conversation(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        loops.append(asyncio.get_running_loop())
        await go.wait()
        digest, left = hashlib.sha256(), size
        while left:
            piece = await reader.read(65_536)
            digest.update(piece)
            left -= len(piece)
        digests.append(digest.hexdigest())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()

    loops: list[asyncio.AbstractEventLoop] = []
    upstream.conversation = conversation
    more = _upload(at, partner, size=size)
    assert 0 < settled(more) < HELD_BYTES
    loops[0].call_soon_threadsafe(go.set)
    while more() < size:
        time.sleep(0.001)
    partner.sock.settimeout(15)
    assert partner.read().content == b"ok"
    assert digests == [hashlib.sha256(PIECE * 1_200).hexdigest()]


async def _silent(reader: Reader, writer: Writer) -> None:
    """Take everything, answer nothing, until the other side ends."""
    while await reader.read(65_536):
        pass


async def _endless(reader: Reader, writer: Writer) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(CHUNKED)
    while True:
        writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
        await writer.drain()


async def _deaf(reader: Reader, writer: Writer) -> None:
    """Take nothing but the beginning; a write tells when the other side has ended."""
    await reader.readuntil(b"\r\n\r\n")
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


def _waiting(at: World, partner: Partner, upstream: Upstream) -> None:
    upstream.conversation = _silent
    partner.send(request(at, b"GET"))


def _waiting_with_another_behind(at: World, partner: Partner, upstream: Upstream) -> None:
    upstream.conversation = _silent
    partner.send(request(at, b"GET") + request(at, b"GET", b"/second"))


def _waiting_after_content(at: World, partner: Partner, upstream: Upstream) -> None:
    upstream.conversation = _silent
    partner.send(head(at, b"Content-Length: 5") + b"hello")


def _amid_a_reply(at: World, partner: Partner, upstream: Upstream) -> None:
    upstream.conversation = _endless
    partner.send(request(at, b"GET"))
    assert partner._exactly(1_000_000)


def _amid_a_reply_with_another_behind(at: World, partner: Partner, upstream: Upstream) -> None:
    upstream.conversation = _endless
    partner.send(request(at, b"GET") + request(at, b"GET", b"/second"))
    assert partner._exactly(1_000_000)


def _amid_a_content(at: World, partner: Partner, upstream: Upstream) -> None:
    upstream.conversation = _silent
    partner.send(head(at, b"Content-Length: 10000000") + PIECE * 9)


def _amid_chunks(at: World, partner: Partner, upstream: Upstream) -> None:
    upstream.conversation = _silent
    partner.send(head(at, b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n")


def _amid_a_content_that_is_not_taken(at: World, partner: Partner, upstream: Upstream) -> None:
    upstream.conversation = _deaf
    settled(_upload(at, partner, size=1_000_000_000))


WAYS = (
    _waiting, _waiting_with_another_behind, _waiting_after_content, _amid_a_reply, _amid_a_reply_with_another_behind,
    _amid_a_content, _amid_chunks,
)  # fmt: skip
#: an end stands behind content that nobody takes; a reset does not
WAYS_TO_RESET = (*WAYS, _amid_a_content_that_is_not_taken)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_prx_35_a_partner_that_hangs_up_ends_the_providers_side_whatever_is_under_way(
    at: World, partner: Partner, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(protocol, "LOOK_SECONDS", 0.1)
    for way in WAYS if how == "close" else WAYS_TO_RESET:
        opened, closed = upstream.opened, upstream.closed
        way(at, partner, upstream)
        assert upstream.wait(lambda before=opened: upstream.opened > before), way
        if how == "reset":
            partner.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        partner.close()
        assert upstream.wait(lambda before=closed: upstream.closed > before, seconds=5), way


def test_prx_35_a_hundred_partners_that_hang_up_leave_no_connection_behind(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    upstream.conversation = _endless
    partners = [Partner(partner._port) for _ in range(100)]
    for caller in partners:
        caller.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        caller.send(request(at, b"GET"))
    for caller in partners:
        assert len(caller._exactly(100_000)) == 100_000
        caller.close()
    assert upstream.wait(lambda: upstream.closed >= 100, seconds=5)
    upstream.conversation = None
    upstream.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert partner.call(request(at, b"GET")).content == b"ok"


def test_a_provider_that_hangs_up_amid_a_content_ends_the_partners_side(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    async def conversation(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(1_000)

    upstream.conversation = conversation
    partner.send(b"PUT " + head(at, b"Content-Length: 1000000")[5:] + PIECE)
    got = partner.read()
    assert (got.status, got.get(b"proxy-status")) == (502, b"patchbay; error=connection_terminated")
