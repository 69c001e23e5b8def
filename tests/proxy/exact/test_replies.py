"""What a partner receives is what the provider sent: every kind of reply, whole or broken off, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import World
from tests.proxy.exact.contents import chunked, contents, cuts, extensions, split, trailers
from tests.proxy.exact.fields import lowered, padding, reply_fields
from tests.proxy.exact.partner import Field, Got, Partner
from tests.proxy.exact.upstream import Upstream

pytestmark = [pytest.mark.served, pytest.mark.filterwarnings("ignore:Generating overly large repr")]
ADDED = [b"via", b"proxy-status", b"patchbay-request-id"]
_FRAMING = frozenset({b"transfer-encoding", b"connection"})
_WITHOUT_CONTENT = frozenset({204, 304})
_HOP_BY_HOP = [
    (b"Connection", b"X-Hop"), (b"X-Hop", b"1"), (b"Keep-Alive", b"timeout=5"), (b"Upgrade", b"h2c"),
    (b"Set-Cookie", b"a=1"), (b"Proxy-Authenticate", b"Basic"), (b"Trailer", b"X-Trailer"),
]  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A reply as a provider writes it. framing: "length", "chunked", "close" or "none" (nothing at all)."""

    method: bytes
    version: bytes
    status: int
    reason: bytes
    fields: list[tuple[Field, bytes, bytes]]
    hops: list[Field]
    framing: str
    content: bytes
    cuts: list[int]
    extension: bytes
    trailers: bytes
    interim: list[bytes]

    @property
    def has_content(self) -> bool:
        return self.method != b"HEAD" and self.status not in _WITHOUT_CONTENT

    def wire(self) -> tuple[bytes, bytes]:
        """(header section, content as framed)"""
        lines = [b"HTTP/%b %d %b" % (self.version, self.status, self.reason)]
        lines += [name + b":" + before + value + after for (name, value), before, after in self.fields]
        lines += [name + b": " + value for name, value in self.hops]
        content = self.content
        if self.framing == "length":
            lines.append(b"Content-Length: %d" % len(self.content))
        elif self.framing == "chunked":
            lines.append(b"Transfer-Encoding: chunked")
            content = chunked(self.content, self.cuts, extension=self.extension, trailers=self.trailers)
        elif self.framing == "none":
            content = b""
        head = b"\r\n".join([*lines, b"", b""])
        return b"".join(self.interim) + head, content if self.has_content else b""

    @property
    def ends_with_the_connection(self) -> bool:
        return self.has_content and self.framing in ("close", "none")


def replies(method: st.SearchStrategy[bytes]) -> st.SearchStrategy[Told]:
    return st.builds(
        Told,
        method=method,
        version=st.sampled_from([b"1.1", b"1.1", b"1.0"]),
        status=st.sampled_from([200, 201, 202, 203, 204, 205, 206, 207, 226, 301, 302, 304, 307, 308])
        | st.integers(200, 599).filter(lambda status: status != 401),  # which may lead to a refresh
        reason=st.sampled_from([b"OK", b"", b"Multi-Status", b"Not \xe9t\xc3\xa9", b"200 OK"]),
        fields=reply_fields.flatmap(
            lambda fields: st.tuples(*(st.tuples(st.just(pair), padding, padding) for pair in fields)).map(
                list
            )
        ),
        hops=st.lists(st.sampled_from(_HOP_BY_HOP), max_size=3, unique=True),
        framing=st.sampled_from(["length", "length", "chunked", "chunked", "close", "none"]),
        content=contents,
        cuts=cuts,
        extension=extensions,
        trailers=trailers,
        interim=st.lists(
            st.sampled_from(
                [
                    b"HTTP/1.1 100 Continue\r\n\r\n",
                    b"HTTP/1.1 102 Processing\r\nX-Interim: 1\r\n\r\n",
                    b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
                ]
            ),
            max_size=2,
        ),
    ).map(_possible)


def _possible(told: Told) -> Told:
    """HTTP/1.0 has neither chunks nor interim replies."""
    is_later = told.framing == "chunked" or told.interim
    return replace(told, version=b"1.1") if is_later else told


def request(at: World, method: bytes, target: bytes = b"/x") -> bytes:
    return b"%b /proxy/hbdev/cust%b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % (
        method, target, at.api_key.encode(),
    )  # fmt: skip


def expected_fields(told: Told) -> list[Field]:
    nominated = {b"x-hop"} if (b"Connection", b"X-Hop") in told.hops else set()
    fields = lowered([pair for pair, _, _ in told.fields])
    fields += [(b"x-hop", b"1")] if (b"X-Hop", b"1") in told.hops else []
    fields = [pair for pair in fields if pair[0] not in nominated]
    if told.framing == "length" and (told.status != 204 or told.method == b"HEAD"):
        fields.append((b"content-length", b"%d" % len(told.content)))
    return fields


def check_fields(got: Got, told: Told) -> None:
    ours = [pair for pair in got.fields if pair[0] not in _FRAMING]
    assert [name for name, _ in ours[-3:]] == ADDED
    assert ours[-2][1] == b"patchbay; received-status=%d" % told.status
    assert ours[:-3] == expected_fields(told)


def check(at: World, partner: Partner, upstream: Upstream, told: Told, segments: list[int]) -> None:
    head, content = told.wire()
    end = "close" if told.ends_with_the_connection or told.version == b"1.0" else "open"
    upstream.answers(*split(head + content, segments), end=end)
    got = partner.call(request(at, told.method), is_head=told.method == b"HEAD")
    assert got.status == told.status
    assert got.interim == []
    check_fields(got, told)
    expected = told.content if told.has_content and told.framing != "none" else b""
    assert (got.content, got.is_whole, got.trailers) == (expected, True, b"")


def check_cut(
    at: World, partner: Partner, upstream: Upstream, told: Told, cut: int, end: str, segments: list[int]
) -> None:
    """The provider breaks off after so many bytes."""
    head, content = told.wire()
    wire = (head + content)[: cut % (len(head) + len(content))]
    upstream.answers(*split(wire, segments), end=end)
    got = partner.call(request(at, told.method), is_head=told.method == b"HEAD")
    if len(wire) < len(head) or (end == "reset" and got.status == 502):
        assert got.status == 502
        assert (got.get(b"proxy-status") or b"").startswith(b"patchbay; error="), got
        return
    assert got.status == told.status
    check_fields(got, told)
    if told.ends_with_the_connection and end == "close":
        assert (got.content, got.is_whole) == (wire[len(head) :], True)
    elif told.ends_with_the_connection or (told.has_content and len(wire) < len(head) + len(content)):
        assert not got.is_whole, got
        assert told.content.startswith(got.content)


_LOOSE = {"deadline": None, "suppress_health_check": list(HealthCheck)}
_METHODS = st.sampled_from([b"GET", b"GET", b"HEAD", b"POST", b"DELETE"])
_ENDS = st.sampled_from(["close", "reset"])


@settings(max_examples=120, **_LOOSE)
@given(told=replies(_METHODS), segments=cuts)
def test_prx_01_02_03_04_16_25_any_reply_comes_back_as_it_was_sent(
    at: World, partner: Partner, upstream: Upstream, told: Told, segments: list[int]
) -> None:
    check(at, partner, upstream, told, segments)


@settings(max_examples=100, **_LOOSE)
@given(told=replies(_METHODS), cut=st.integers(0, 1 << 30), end=_ENDS, segments=cuts)
def test_any_reply_that_breaks_off_breaks_off_for_the_partner(
    at: World, partner: Partner, upstream: Upstream, told: Told, cut: int, end: str, segments: list[int]
) -> None:
    check_cut(at, partner, upstream, told, cut, end, segments)


@pytest.mark.slow
@settings(max_examples=5_000, **_LOOSE)
@given(told=replies(_METHODS), segments=cuts)
def test_prx_01_02_03_04_16_25_any_of_many_replies_comes_back_as_it_was_sent(
    at: World, partner: Partner, upstream: Upstream, told: Told, segments: list[int]
) -> None:
    check(at, partner, upstream, told, segments)


@pytest.mark.slow
@settings(max_examples=5_000, **_LOOSE)
@given(told=replies(_METHODS), cut=st.integers(0, 1 << 30), end=_ENDS, segments=cuts)
def test_any_of_many_replies_that_break_off_breaks_off_for_the_partner(
    at: World, partner: Partner, upstream: Upstream, told: Told, cut: int, end: str, segments: list[int]
) -> None:
    check_cut(at, partner, upstream, told, cut, end, segments)
