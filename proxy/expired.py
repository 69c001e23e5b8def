"""Whether a provider's reply means that the access token has expired, by the rules of its catalogue entry."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime

from egress.aio import AsyncResponse
from integrations.catalogue import Api, ExpiredSignal, as_text, lookup
from integrations.tokens import AccessToken
from proxy.credentials import Field

PEEK_BYTES = 65_536
_MAX_DECODED_BYTES = 1_048_576
_ZLIB_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def signals(api: Api, status: int, token: AccessToken, *, now: datetime) -> list[ExpiredSignal]:
    """The rules that this status could fit. Those with other meanings too need a token not known to be fresh."""
    is_fresh = token.expires_at is not None and now < token.expires_at
    return [
        signal
        for signal in api.expired_signals
        if signal.status == status and not (signal.only_when_stale and is_fresh)
    ]


async def is_told(response: AsyncResponse, rules: list[ExpiredSignal]) -> tuple[bool, bytes]:
    """(whether one of the rules fits, what was read of the content and must be sent on).

    Content is read only when every rule asks for it, and at most 64 KiB. Raises EgressError.
    """
    if any(rule.path is None for rule in rules):
        return True, b""
    if response.status < 400 and not _is_short_json(response.raw_headers):
        return False, b""
    content = await _peek(response)
    document = _parsed(content, _first(response.raw_headers, b"content-encoding"))
    if document is None:
        return response.status == 401, content  # no other reading of a 401 that cannot be read
    return any(_fits(document, rule) for rule in rules), content


def _fits(document: object, rule: ExpiredSignal) -> bool:
    assert rule.path is not None
    value = lookup(document, rule.path)
    return value is not None and (not rule.values or as_text(value) in rule.values)


async def _peek(response: AsyncResponse) -> bytes:
    content = bytearray()
    async with aclosing(response.iter_chunks()) as chunks:  # type: ignore[type-var]  # a generator it is
        async for chunk in chunks:
            content += chunk
            if len(content) >= PEEK_BYTES:
                break
    return bytes(content)


def _is_short_json(raw_headers: Iterable[Field]) -> bool:
    length = _first(raw_headers, b"content-length")
    return (
        "json" in _first(raw_headers, b"content-type").lower()
        and length.isdigit()
        and int(length) <= PEEK_BYTES
    )


def _first(raw_headers: Iterable[Field], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in raw_headers if name.lower() == wanted), "")


def _parsed(content: bytes, coding: str) -> object:
    """The JSON document, or None when the content cannot be read as one."""
    try:
        return json.loads(decoded(content, coding))
    except (ValueError, RecursionError):
        return None


def decoded(content: bytes, coding: str, *, max_bytes: int = _MAX_DECODED_BYTES) -> bytes:
    """Content without its coding. Raises ValueError for a coding that is not known, broken or cut short, and
    for content that is too long."""
    name = coding.strip().lower()
    if name in ("", "identity"):
        return content
    if name not in _ZLIB_WINDOWS:
        raise ValueError("unknown content coding")
    plain = b""
    while True:  # gzip may be several members one after the other (RFC 1952 section 2.2)
        decoder = zlib.decompressobj(_ZLIB_WINDOWS[name])
        try:
            plain += decoder.decompress(content, max_bytes + 1 - len(plain))
        except zlib.error as error:
            raise ValueError("broken content coding") from error
        if len(plain) > max_bytes:
            raise ValueError("content too long")
        if not decoder.eof:
            raise ValueError("content cut short")
        content = decoder.unused_data
        if not content or name == "deflate":
            return plain
