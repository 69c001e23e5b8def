"""What an authorization server publishes of itself (RFC 8414, OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from integrations.errors import InvalidInput, ProviderError, ProviderReplyUnreadable
from integrations.provider_calls.transport import send


def addresses(issuer: str) -> tuple[str, ...]:
    """Where the metadata of an issuer may stand, the standard's own place first (RFC 8414 sections 3 and 5).

    Raises InvalidInput unless the issuer is an https URL without query, fragment and user information.
    """
    parts = urlsplit(issuer.strip())
    is_plain = parts.scheme == "https" and parts.hostname and "@" not in parts.netloc
    if not is_plain or parts.query or parts.fragment or "?" in issuer or "#" in issuer:
        raise InvalidInput("issuer", "An issuer is an https address without query and fragment.")
    path = parts.path.rstrip("/")
    paths = (
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/openid-configuration{path}",
    )
    return tuple(dict.fromkeys(urlunsplit((parts.scheme, parts.netloc, each, "", "")) for each in paths))


def fetch_metadata(issuer: str) -> dict[str, Any]:
    """The first document that there is, whose `issuer` must be the one asked for (RFC 8414 section 3.3).

    Raises InvalidInput, and ProviderError when none can be read; its evidence lists what each place said.
    """
    tried = []
    for address in addresses(issuer):
        try:
            reply = send("GET", address, headers={"Accept": "application/json"})
            if reply.status != 200:
                tried.append(f"{address}: HTTP {reply.status}")
                continue
            document = reply.json()
        except ProviderError as error:
            tried.append(f"{address}: {error.evidence}")
            continue
        told = document.get("issuer") if isinstance(document, dict) else None
        if told == issuer.strip():
            return dict(document)
        tried.append(f"{address}: is of the issuer {str(told)[:200]!r}")
    raise ProviderReplyUnreadable("This issuer publishes no metadata of its own.", evidence="; ".join(tried))
