"""Replies at the edge of HTTP, and beyond it: a good reply, a broken one or a 502, never another one."""

from __future__ import annotations

from itertools import product

import pytest

from tests.factories import World
from tests.proxy.exact.partner import Partner
from tests.proxy.exact.test_replies import ADDED, request
from tests.proxy.exact.upstream import Upstream

pytestmark = pytest.mark.served
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 2\r\n"


READABLE: list[tuple[bytes, list[tuple[bytes, bytes]]]] = [
    (b"X-A: one\r\n two\r\n\tthree\r\n", [(b"x-a", b"one two\tthree")]),
    (b"X-A:\r\n two\r\n", [(b"x-a", b"two")]),
    (b"X-A: \x01\x1b\x7f\r\n", [(b"x-a", b"\x01\x1b\x7f")]),
    (b"X-A: \xe9\xc3\xa9\r\n", [(b"x-a", b"\xe9\xc3\xa9")]),
    (b"Upgrade: h2,h2c\r\nConnection: Upgrade\r\n", []),
    (
        b"Server: a\r\nserver: b\r\nDate: c\r\nDATE: d\r\n",
        [(b"server", b"a"), (b"server", b"b"), (b"date", b"c"), (b"date", b"d")],
    ),
    (b"X-A: 1\r\n" * 400, [(b"x-a", b"1")] * 400),
    (b"X-A: " + b"a" * 32_000 + b"\r\n", [(b"x-a", b"a" * 32_000)]),
    (b"Connection: content-length, x-a, via\r\nX-A: 1\r\nVia: 1.1 theirs\r\n", []),
    (
        b"Via: 1.1 theirs\r\nProxy-Status: theirs\r\nPatchbay-Request-Id: theirs\r\n",
        [(b"via", b"1.1 theirs"), (b"proxy-status", b"theirs")],
    ),
]
UNREADABLE = [
    b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 99 X\r\n" + LENGTH + b"\r\nok",
    b"HTTP/1.1 600 X\r\n" + LENGTH + b"\r\nok",
    b"HTTP/1.1 1000 X\r\n" + LENGTH + b"\r\nok",
    OK + b"X-A: a\0b\r\n" + LENGTH + b"\r\nok",
    OK + b"X-A: a\rb\r\n" + LENGTH + b"\r\nok",
    OK + b"X-A : a\r\n" + LENGTH + b"\r\nok",
    OK + b": a\r\n" + LENGTH + b"\r\nok",
    OK + b"nothing\r\n" + LENGTH + b"\r\nok",
    OK + b"Content-Length: +2\r\n\r\nok",
    OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip\r\n\r\nok",
    OK + b"X-A: 1\r\n" * 600 + LENGTH + b"\r\nok",
    OK + b"X-A: " + b"a" * 40_000 + b"\r\n" + LENGTH + b"\r\nok",
    b"SSH-2.0-x\r\n",
    b"\r\n\r\n",
    b"",
]
COMPLETE = [
    (b"GET", OK + b"Content-Length: 2\r\n\r\nok", b"ok"),
    (b"GET", OK + b"Content-Length: 0\r\n\r\n", b""),
    (b"GET", b"HTTP/1.1 204 X\r\n\r\n", b""),
    (b"GET", b"HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n", b""),
    (b"HEAD", OK + b"Content-Length: 1234\r\n\r\n", b""),
]


def test_prx_16_25_odd_but_readable_fields_come_back(at: World, partner: Partner, upstream: Upstream) -> None:
    for fields, expected in READABLE:
        upstream.answers(OK + fields + LENGTH + b"\r\nok")
        got = partner.call(request(at, b"GET"))
        assert (got.status, got.content, got.is_whole) == (200, b"ok", True), fields
        assert got.fields[:-4] == expected
        assert [name for name, _ in got.fields[-4:]] == [b"content-length", *ADDED]


def test_prx_34_a_reply_that_cannot_be_read_in_one_way_only_is_a_502(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    for reply in UNREADABLE:
        upstream.answers(reply, end="close")
        got = partner.call(request(at, b"GET"))
        assert (got.status, got.is_whole) == (502, True), reply
        assert (got.get(b"proxy-status") or b"").startswith(b"patchbay; error=")


def test_prx_04_more_content_than_a_reply_can_have_is_in_no_other_reply(
    at: World, partner: Partner, upstream: Upstream
) -> None:
    rogues = (b"\r\n", b"0123456789", OK + b"Content-Length: 5\r\n\r\nwrong")
    for (method, reply, content), rogue in product(COMPLETE, rogues):
        for is_apart in (False, True):
            upstream.answers(*((reply, rogue) if is_apart else (reply + rogue,)))
            got = partner.call(request(at, method), is_head=method == b"HEAD")
            assert (got.status, got.content, got.is_whole) == (int(reply[9:12]), content, True), reply
            upstream.answers(OK + b"Content-Length: 5\r\n\r\nright")
            following = partner.call(request(at, b"GET"))
            # Bytes of their own may come when the next call is on its way already: it fails, and takes none of them.
            is_refused = is_apart and (following.status, following.is_whole) == (502, True)
            assert following.content == b"right" or is_refused


def test_interim_replies_are_not_relayed(at: World, partner: Partner, upstream: Upstream) -> None:
    for count in (1, 60):
        upstream.answers(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * count + OK + LENGTH + b"\r\nok")
        got = partner.call(request(at, b"GET"))
        assert (got.status, got.content, got.interim, got.get(b"link")) == (200, b"ok", [], None)
