"""How HubSpot signs what it sends ("Validating requests" of its documentation)."""

import base64
import hashlib
import hmac
import re

# Exactly these escapes of the URI are decoded before a v3 signature is made; %20, %26, %2B, %3D, %25 stay.
_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'",
    "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
_ESCAPE = re.compile("|".join(_DECODED), re.IGNORECASE)


def v1(secret: str, body: bytes) -> str:
    """Hex SHA-256 of secret and body: the subscriptions of the webhooks API."""
    return hashlib.sha256(secret.encode() + body).hexdigest()


def v2(secret: str, method: str, uri: str, body: bytes) -> str:
    """Hex SHA-256 of secret, method, URI and body: workflow actions and CRM cards."""
    return hashlib.sha256((secret + method + uri).encode() + body).hexdigest()


def v3(secret: str, method: str, uri: str, body: bytes, *, timestamp: str) -> str:
    """Base64 HMAC-SHA-256 of method, decoded URI, body and timestamp (milliseconds, as text)."""
    decoded = _ESCAPE.sub(lambda match: _DECODED[match.group().upper()], uri)
    content = (method + decoded).encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()
