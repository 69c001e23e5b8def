"""Writes a request's header section, byte for byte what the caller gave plus our own framing.

The order and the repeats of the fields are kept. Host, the framing and the hop-by-hop fields of RFC 9110
section 7.6.1 are this side's own; a caller's are left out.
"""

import re
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache

from egress.errors import InvalidRequest
from egress.urls import Target

HeaderList = Sequence[tuple[bytes | str, bytes | str]]
Body = AsyncIterator[bytes] | bytes | None

# RFC 9110 section 9.2.2.
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_METHODS_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH"})
_KEPT_NAME_CHARACTERS = 64
_OWN_FIELDS = frozenset(
    b"host content-length transfer-encoding expect "
    b"connection keep-alive proxy-connection te trailer upgrade".split()
)
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch


def request_head(method: str, target: Target, headers: HeaderList, *, framing: bytes) -> bytes:
    """Return the request line and the header section.

    Text is sent as ASCII, bytes as they are. Raises InvalidRequest (nothing was sent) for a method, a
    field name or a value that HTTP cannot carry; the message names the field.
    """
    parts = [b"%b %b HTTP/1.1\r\nHost: %b" % (_method(method), *_request_target(target))]
    for name, value in headers:
        prefix = _field_prefix(name)
        if prefix is None:
            continue
        parts.append(prefix + (value if type(value) is bytes else _ascii(name, value)))
    head = b"\r\n".join(parts)
    lines = len(parts)
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
        raise InvalidRequest(
            f"The value of the header field {_culprit(headers)} contains a line break or a null byte."
        )
    return b"%b\r\n%b\r\n" % (head, framing)


def framing(method: str, body: Body, content_length: int | None) -> bytes:
    """The field that says where the content ends (RFC 9112 section 6): a length, chunked, or none."""
    if body is None or isinstance(body, bytes):
        length = len(body or b"")
        if content_length not in (None, length):
            raise InvalidRequest("The content has another length than stated.")
        if body is None and content_length is None and method not in _METHODS_WITH_CONTENT:
            return b""
        return b"Content-Length: %d\r\n" % length
    if content_length is None:
        return b"Transfer-Encoding: chunked\r\n"
    if content_length < 0:
        raise InvalidRequest("The length of the content is negative.")
    return b"Content-Length: %d\r\n" % content_length


@lru_cache(maxsize=64)
def _method(method: str) -> bytes:
    encoded = method.encode("ascii", "replace")
    if not _TOKEN(encoded) or method != method.upper() or method in ("CONNECT", "TRACE"):
        raise InvalidRequest("The method cannot be sent.")
    return encoded


def _request_target(target: Target) -> tuple[bytes, bytes]:
    raw_target = target.raw_target
    if not raw_target.isascii() or " " in raw_target:
        raise InvalidRequest("The request target cannot be sent.")
    return raw_target.encode("ascii"), target.authority.encode("ascii")


def _field_prefix(name: bytes | str) -> bytes | None:
    """The name as it is sent; None for one that is made here. Long names, which callers choose, are not kept."""
    return _usual_prefix(name) if len(name) <= _KEPT_NAME_CHARACTERS else _prefix(name)


@lru_cache(maxsize=2048)
def _usual_prefix(name: bytes | str) -> bytes | None:
    return _prefix(name)


def _prefix(name: bytes | str) -> bytes | None:
    encoded = name if isinstance(name, bytes) else name.encode("ascii", "replace")
    if not _TOKEN(encoded):
        raise InvalidRequest("The name of a header field cannot be sent.")
    return None if encoded.lower() in _OWN_FIELDS else encoded + b": "


def _ascii(name: bytes | str, value: bytes | str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return value.encode("ascii")
    except UnicodeEncodeError:
        raise InvalidRequest(f"The value of the header field {_text(name)} is not ASCII.") from None


def _culprit(headers: HeaderList) -> str:
    for name, value in headers:
        data = value if isinstance(value, bytes) else value.encode("ascii", "replace")
        if b"\r" in data or b"\n" in data or b"\0" in data:
            return _text(name)
    return "Host"


def _text(name: bytes | str) -> str:
    return name.decode("ascii", "replace") if isinstance(name, bytes) else name
