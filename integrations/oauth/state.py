"""The `state` parameter: unguessable, kept only as a digest (RFC 6749 section 10.12)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

STATE_OCTETS = 32


def new_state() -> str:
    """43 URL-safe characters out of 256 random bits."""
    return secrets.token_urlsafe(STATE_OCTETS)


def digest(value: str) -> str:
    """SHA-256 of the value in lower-case hex; any text, also one with lone surrogates."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def matches(value: str | None, expected_digest: str) -> bool:
    """Whether the value has this digest, in time that does not tell how much of it is right."""
    if not value or not expected_digest.isascii():
        return False
    return hmac.compare_digest(digest(value), expected_digest)
