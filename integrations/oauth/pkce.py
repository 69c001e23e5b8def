"""Proof Key for Code Exchange, method S256 only (RFC 7636)."""

from __future__ import annotations

import secrets

from oauthlib.oauth2 import WebApplicationClient

VERIFIER_OCTETS = 32


def new_code_verifier() -> str:
    """43 unreserved characters out of 256 random bits (RFC 7636 section 4.1)."""
    return secrets.token_urlsafe(VERIFIER_OCTETS)


def code_challenge(verifier: str) -> str:
    """BASE64URL(SHA256(ASCII(verifier))) without padding (RFC 7636 section 4.2)."""
    challenge: str = WebApplicationClient("").create_code_challenge(verifier, "S256")
    return challenge
