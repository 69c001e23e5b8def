"""A partner's connection: several requests on it, spoiled ones, old versions of HTTP, contents not waited for."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy import protocol
from proxy.protocol import BoundedProtocol
from tests.factories import World
from tests.proxy.exact.partner import Partner
from tests.proxy.exact.test_replies import request
from tests.proxy.exact.upstream import Answer, Upstream

pytestmark = pytest.mark.served
ROOT = b"/proxy/hbdev/cust"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def head(at: World, *lines: bytes, first: bytes = b"POST " + ROOT + b"/x HTTP/1.1") -> bytes:
    return b"\r\n".join(
        [first, b"Host: localhost", b"Authorization: Bearer " + at.api_key.encode(), *lines, b"", b""]
    )


def echoing(sent: bytes) -> Answer:
    """The request's target as content."""
    target = sent.split(b" ")[1]
    return Answer([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target)])


def everything(sock: socket.socket) -> bytes:
    """What comes until the platform closes."""
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    calls=st.lists(
        st.tuples(st.sampled_from(["none", "length", "chunked"]), st.binary(max_size=99)),
        min_size=2,
        max_size=6,
    ),
    segments=st.lists(st.integers(0, 5_000), max_size=4),
)
def test_requests_sent_without_waiting_are_answered_in_turn(
    at: World, partner: Partner, upstream: Upstream, calls: list[tuple[str, bytes]], segments: list[int]
) -> None:
    upstream.answer = echoing
    upstream.requests.clear()
    wire = b""
    for number, (framing, content) in enumerate(calls):
        first = b"POST " + ROOT + b"/%d HTTP/1.1" % number
        if framing == "chunked":
            chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
            wire += head(at, b"Transfer-Encoding: chunked", first=first) + chunk + b"0\r\n\r\n"
        elif framing == "length":
            wire += head(at, b"Content-Length: %d" % len(content), first=first) + content
        else:
            wire += head(at, first=first)
    partner.send(wire, cuts=segments)
    assert [partner.read().content for _ in calls] == [b"/%d" % number for number in range(len(calls))]
    sent = [content if framing != "none" else b"" for framing, content in calls]
    assert [arrived.content for arrived in upstream.requests] == sent


SPOILED = [
    b"NONSENSE\r\n\r\n",
    b"GET " + ROOT + b"/x#fragment HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + ROOT + b"/x HTTP/1.1\r\n\r\n",
    b"GET " + ROOT + b"/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET " + ROOT + b"/x HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n 2\r\n\r\n",
    b"GET " + ROOT + b"/x HTTP/1.1\r\nHost: a\r\nX-A: \x01\r\n\r\n",
    b"GET " + ROOT + b"/x HTTP/1.1\r\nHost: a\r\nX-A : 1\r\n\r\n",
    b"GET " + ROOT + b"/x HTTP/1.2\r\nHost: a\r\n\r\n",
]
FRAMING = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    b"Content-Length: +5\r\n\r\nhello",
    b"Content-Length: -5\r\n\r\nhello",
    b"Content-Length: 0x5\r\n\r\nhello",
    b"Content-Length: 5, 5\r\n\r\nhello",
    b"Content-Length: 5 5\r\n\r\nhello",
    b"Content-Length:\r\n\r\nhello",
    b"Content-Length: 99999999999999999999999\r\n\r\nhello",
    b"Content-Length : 5\r\n\r\nhello",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    b"Transfer-Encoding: chunked\r\n\r\nZ\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
    b"Transfer-Encoding: chunked\r\n\r\n1\r\naX\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n",
]


def test_prx_34_framing_that_can_be_read_in_two_ways_is_refused_and_goes_nowhere(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    begin = head(at)[:-2]
    for framing in FRAMING:
        assert partner.call(begin + framing).status == 400, framing
        partner.close()
    for request_ in SPOILED:
        assert partner.call(request_).status == 400, request_
        partner.close()
    assert upstream.requests == []


def test_prx_34_a_spoiled_request_is_not_answered_amid_the_reply_before_it(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    content = b"a" * 300_000
    upstream.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + content[:9], content[9:])
    for spoiled in SPOILED:
        partner.send(request(at, b"GET") + spoiled)
        got = partner.read()
        assert (got.status, got.content == content, got.is_whole) == (200, True, True), spoiled
        if partner._sock is not None:
            assert everything(partner.sock) == b""
        partner.close()


def test_a_connection_is_closed_where_content_may_or_may_not_follow(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    """A partner that waits for 100 and gets a final reply need not send its content (RFC 9110 section 10.1.1)."""
    unknown = head(at, b"Expect: 100-continue", b"Content-Length: 9000000").replace(b"hbdev", b"other")
    for is_sent in (False, True):
        partner.send(unknown + (b"a" * 9_000_000 if is_sent else b""))
        got = partner.read()
        assert (got.status, got.interim, got.get(b"connection")) == (404, [], b"close")
    partner.send(head(at, b"Expect: 100-continue", b"Content-Length: 2"))
    upstream.answers(OK)
    assert partner._until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    partner.send(b"hi")
    got = partner.read()
    assert (got.content, got.get(b"connection")) == (b"ok", None)


def test_a_content_is_no_part_of_the_header_section_behind_it(
    at: World, partner: Partner, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_HEAD_BYTES", 2_000)
    upstream.answers(OK)
    content = b"a" * 10_000
    partner.send(head(at, b"Content-Length: %d" % len(content)))
    second = request(at, b"GET", b"/second")
    partner.send(content + second[:40])
    assert partner.read().status == 200
    partner.send(second[40:])
    assert partner.read().status == 200


def test_the_rest_of_a_content_after_an_early_reply_is_no_request(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    upstream.answers(b"HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno", is_early=True, end="close")
    inner = request(at, b"GET", b"/inner")
    content = inner * 4_000
    partner.send(head(at, b"Content-Length: %d" % len(content)) + content[:9])
    got = partner.read()
    assert (got.status, got.content, got.is_whole) == (413, b"no", True)
    partner.send(content[9:])
    upstream.answers(OK)
    got = partner.call(request(at, b"GET", b"/next"))
    assert (got.status, got.content) == (200, b"ok"), got
    assert [arrived.lines[0] for arrived in upstream.requests] == [b"GET /next HTTP/1.1"]


def test_a_partner_of_http_1_0_gets_no_chunks_and_sees_a_break(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    for framing, content in (
        (b"Content-Length: 10\r\n", b"0123456789"),
        (b"Transfer-Encoding: chunked\r\n", b"a\r\n0123456789\r\n0\r\n\r\n"),
        (b"", b"0123456789"),
    ):
        wire = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + content
        for is_whole in (True, False):
            upstream.answers(wire if is_whole else wire[:-7], end="close" if is_whole else "reset")
            partner.send(head(at, first=b"GET " + ROOT + b"/x HTTP/1.0"))
            got = partner._until(b"\r\n\r\n")
            assert got is not None and b"transfer-encoding" not in got
            assert got.startswith(b"HTTP/1.1 200") and b"connection: close" in got
            if is_whole:
                assert partner._buffer + everything(partner.sock) == b"0123456789"
            elif framing.startswith(b"Content-Length"):
                assert len(partner._buffer + everything(partner.sock)) < 10
            else:
                with pytest.raises(ConnectionResetError):
                    everything(partner.sock)
            partner.close()


def test_a_content_that_nobody_waits_for_does_not_keep_the_connection(
    at: World, partner: Partner, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an early reply its connection is as idle as after any other, also when a little more content comes."""
    made = BoundedProtocol.connection_made

    def impatient(self: BoundedProtocol, transport: asyncio.Transport) -> None:
        made(self, transport)
        self.timeout_keep_alive = 0.3  # type: ignore[assignment]  # whole seconds elsewhere

    monkeypatch.setattr(BoundedProtocol, "connection_made", impatient)
    upstream.answers(b"HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno", is_early=True, end="close")
    partner.send(head(at, b"Content-Length: 1000000") + b"a" * 1_000)
    assert partner.read().status == 413
    partner.send(b"a" * 1_000)
    assert everything(partner.sock) == b""
