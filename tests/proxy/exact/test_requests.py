"""What a provider receives is what the partner sent: every kind of request, compared byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import World
from tests.proxy.conftest import TOKEN
from tests.proxy.exact.contents import chunked, contents, cuts, extensions, trailers
from tests.proxy.exact.fields import lowered, padding, request_fields
from tests.proxy.exact.partner import Field, Partner
from tests.proxy.exact.upstream import Arrived, Upstream

pytestmark = [pytest.mark.served, pytest.mark.filterwarnings("ignore:Generating overly large repr")]
ROOT = b"/proxy/hbdev/cust"
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_METHODS_WITH_CONTENT = (b"POST", b"PUT", b"PATCH")
_PATH = "abzAZ09-._~!$&'()*+,;=:@\"<>^`{|}"
_encoded = st.integers(0, 255).flatmap(lambda code: st.sampled_from([f"%{code:02x}", f"%{code:02X}"]))
_segments = st.lists(st.sampled_from(_PATH) | _encoded, max_size=8).map("".join)
_IS_DOTS = re.compile(r"(?:^|[/\\])\.{1,2}(?:;[^/\\]*)?(?:[/\\]|$)").search


def _is_plain(path: str) -> bool:
    """Whether no reading of the path has a dot segment: those are refused."""
    for _ in range(4):
        if _IS_DOTS(path):
            return False
        path = unquote(path)
    return True


paths = (
    st.lists(_segments, max_size=5).map(lambda parts: "".join("/" + part for part in parts)).filter(_is_plain)
)
queries = st.none() | st.lists(st.sampled_from(_PATH + "/?&==&") | _encoded, min_size=1, max_size=20).map(
    "".join
)


@dataclass(frozen=True)
class Sent:
    """A request as a partner writes it. framing: "none", "length" or "chunked"."""

    method: bytes
    path: bytes
    query: bytes | None
    fields: list[tuple[Field, bytes, bytes]]
    content: bytes
    framing: str
    cuts: list[int]
    extension: bytes
    trailers: bytes
    expects: bool

    def wire(self, credential: bytes) -> tuple[bytes, bytes]:
        target = ROOT + self.path + (b"" if self.query is None else b"?" + self.query)
        lines = [
            self.method + b" " + target + b" HTTP/1.1",
            b"Host: localhost",
            b"authorization: " + credential,
        ]
        lines += [name + b":" + before + value + after for (name, value), before, after in self.fields]
        content = b""
        if self.framing == "length":
            lines.append(b"Content-Length: %d" % len(self.content))
            content = self.content
        elif self.framing == "chunked":
            lines.append(b"transfer-encoding: chunked")
            content = chunked(self.content, self.cuts, extension=self.extension, trailers=self.trailers)
        if self.expects and self.framing != "none":
            lines.append(b"Expect: 100-continue")
        return b"\r\n".join([*lines, b"", b""]), content

    def arrived_head(self) -> list[bytes]:
        """The header section that must arrive at the provider, names in lower case."""
        target = (self.path or b"/") + (b"" if self.query is None else b"?" + self.query)
        fields = lowered([pair for pair, _, _ in self.fields])
        lines = [self.method + b" " + target + b" HTTP/1.1", b"host: api.hubapi.com"]
        lines += [name + b": " + value for name, value in fields]
        lines.append(b"authorization: Bearer " + TOKEN.encode())
        if self.framing == "chunked":
            lines.append(b"transfer-encoding: chunked")
        elif self.framing == "length" or self.method in _METHODS_WITH_CONTENT:
            lines.append(b"content-length: %d" % (len(self.content) if self.framing == "length" else 0))
        return lines


requests = st.builds(
    Sent,
    method=st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"]),
    path=paths.map(str.encode),
    query=queries.map(lambda query: None if query is None else query.encode()),
    fields=request_fields.flatmap(
        lambda fields: st.tuples(*(st.tuples(st.just(pair), padding, padding) for pair in fields)).map(list)
    ),
    content=contents,
    framing=st.sampled_from(["none", "length", "chunked"]),
    cuts=cuts,
    extension=extensions,
    trailers=trailers,
    expects=st.booleans(),
)


def head_lines(arrived: Arrived) -> list[bytes]:
    first, *lines = arrived.lines
    return [
        first,
        *(name.lower() + b":" + rest for name, _, rest in (line.partition(b":") for line in lines)),
    ]


def check(at: World, partner: Partner, upstream: Upstream, sent: Sent, segments: list[int]) -> None:
    head, content = sent.wire(b"Bearer " + at.api_key.encode())
    upstream.requests.clear()
    upstream.answers(REPLY if sent.method != b"HEAD" else REPLY[:-2])
    got = partner.call(head + content, cuts=segments, is_head=sent.method == b"HEAD")
    assert (got.status, got.content) == (200, b"" if sent.method == b"HEAD" else b"ok"), got
    (arrived,) = upstream.requests
    assert head_lines(arrived) == sent.arrived_head()
    assert arrived.content == (b"" if sent.framing == "none" else sent.content)


_LOOSE = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=120, **_LOOSE)
@given(sent=requests, segments=cuts)
def test_prx_03_07_08_09_12_31_any_request_arrives_as_it_was_sent(
    at: World, partner: Partner, upstream: Upstream, sent: Sent, segments: list[int]
) -> None:
    check(at, partner, upstream, sent, segments)


@pytest.mark.slow
@settings(max_examples=5_000, **_LOOSE)
@given(sent=requests, segments=cuts)
def test_prx_03_07_08_09_12_31_any_of_many_requests_arrives_as_it_was_sent(
    at: World, partner: Partner, upstream: Upstream, sent: Sent, segments: list[int]
) -> None:
    check(at, partner, upstream, sent, segments)
