"""Header fields of all legal kinds, and which of them a proxy may take out."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.proxy.exact.partner import Field

TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: for one hop, for this platform, or the partner's own: none of these is sent on (contract section 4)
NOT_SENT = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade host content-length expect authorization cookie cookie2 forwarded via x-real-ip x-client-ip "
    b"x-cluster-client-ip true-client-ip fastly-client-ip x-original-url x-rewrite-url".split()
)
NOT_SENT_PREFIXES = (b"patchbay-", b"x-forwarded-", b"cf-")
#: what is left out of replies, and what the platform frames itself
NOT_RETURNED = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade set-cookie set-cookie2 patchbay-request-id content-length".split()
)
_USUAL_REQUEST_NAMES = (
    b"Accept", b"accept-encoding", b"Accept-Language", b"Content-Type", b"Content-Encoding", b"If-None-Match",
    b"If-Modified-Since", b"Range", b"User-Agent", b"Idempotency-Key", b"X-Request-Id", b"traceparent", b"Prefer",
    b"Content-MD5", b"Digest", b"Signature", b"DNT", b"Max-Forwards", b"Cache-Control", b"Pragma", b"Origin",
    b"Referer", b"X-HubSpot-Correlation-Id", b"HTTP2-Settings", b"Priority", b"Date", b"From", b"Link",
)  # fmt: skip
_USUAL_REPLY_NAMES = (
    b"Content-Type", b"Content-Encoding", b"ETag", b"Link", b"WWW-Authenticate", b"Vary", b"Cache-Control", b"Via",
    b"Location", b"Retry-After", b"Proxy-Status", b"Date", b"Server", b"Content-Disposition", b"Accept-Ranges",
    b"Content-Range", b"Warning", b"Allow", b"X-HubSpot-RateLimit-Remaining", b"RateLimit", b"Alt-Svc",
    b"Strict-Transport-Security", b"X-Request-Id", b"Age", b"Server-Timing", b"Expires", b"Last-Modified",
)  # fmt: skip


def _odd_names(kept_out: frozenset[bytes], prefixes: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    made = st.text(TOKEN_CHARACTERS, min_size=1, max_size=24).map(str.encode)

    def goes_on(name: bytes) -> bool:
        plain = name.lower().replace(b"_", b"-")  # as a server with CGI names reads it
        return plain not in kept_out and not plain.startswith(prefixes)

    return made.filter(goes_on)


def _values(characters: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(characters, max_size=30).map(b"".join).map(lambda value: value.strip(b" \t"))


def _bytes_of(*ranges: tuple[int, int]) -> st.SearchStrategy[bytes]:
    return st.sampled_from([bytes([code]) for first, last in ranges for code in range(first, last + 1)])


_VISIBLE = _bytes_of((0x20, 0x7E), (0x09, 0x09))
_ANY_OCTETS = _bytes_of((0x01, 0x09), (0x0B, 0x0C), (0x0E, 0x1F), (0x20, 0xFF))
_TEXT = st.text(st.characters(min_codepoint=0x20, exclude_characters="\x7f", exclude_categories=["Cs", "Cc"]))
_NEAR = st.sampled_from(
    [b"", b"a", b'"a", "b"', b"a,b", b",", b"a;q=0.1, */*;q=0", b"x" * 900, b":", b"=?utf-8?q?=E9?="]
)

request_fields: st.SearchStrategy[list[Field]] = st.lists(
    st.tuples(
        st.sampled_from(_USUAL_REQUEST_NAMES) | _odd_names(NOT_SENT, NOT_SENT_PREFIXES),
        _values(_VISIBLE) | _NEAR,
    ),
    max_size=12,
)
reply_fields: st.SearchStrategy[list[Field]] = st.lists(
    st.tuples(
        st.sampled_from(_USUAL_REPLY_NAMES) | _odd_names(NOT_RETURNED, (b"patchbay-request-id",)),
        _values(_ANY_OCTETS) | _NEAR | _TEXT.map(lambda text: text.encode().strip(b" \t")),
    ),
    max_size=12,
)
#: white space that is allowed around a value and means nothing
padding = st.sampled_from([b"", b" ", b"\t", b"  \t "])


def lowered(fields: list[Field]) -> list[Field]:
    return [(name.lower(), value) for name, value in fields]
