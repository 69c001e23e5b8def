"""A signed JWT that proves the client in place of a secret (RFC 7523 sections 2.2 and 3, RFC 7521)."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

import jwt

from .errors import UnsendableRequest

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: long enough for clocks that differ a little, short enough to be of no use later
LIFETIME_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionRules:
    """alg: of RFC 7518 section 3.1. audience None: the address that the request goes to. key_id: `kid`, "" for none."""

    alg: str = "RS256"
    audience: str | None = None
    key_id: str = ""


DEFAULT_RULES = AssertionRules()


def client_assertion(client_id: str, private_key: str, *, endpoint: str, rules: AssertionRules) -> str:
    """The JWT, good for one request to that endpoint. private_key: PEM.

    Raises UnsendableRequest, without the key in it, when the key cannot sign in that way.
    """
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": rules.audience or endpoint,
        "jti": secrets.token_urlsafe(24),
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
    }
    headers = {"kid": rules.key_id} if rules.key_id else None
    try:
        return jwt.encode(claims, private_key, algorithm=rules.alg, headers=headers)
    except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError):
        # `from None`: what cryptography says of a key may hold parts of it
        raise UnsendableRequest(f"the client secret is no private key in PEM for {rules.alg}") from None
