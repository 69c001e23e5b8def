"""A first draft of an entry, empty or filled from an authorization server's own metadata (RFC 8414 section 2).

A draft can be served as it is only in so far as the metadata tells it: what is not known stands in `facts_unknown`
or holds the word TODO, which `validate` does not accept where it matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from .documents import read_text

Document = dict[str, Any]
#: metadata member -> member of `oauth`
_COPIED = {
    "issuer": "issuer",
    "authorization_endpoint": "authorization_endpoint",
    "token_endpoint": "token_endpoint",
    "pushed_authorization_request_endpoint": "pushed_authorization_request_endpoint",
}
#: in the order of our preference
_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
_HEAD = """\
# {name}. Sources: {source}. Never run live.
# Replace every TODO, then run: manage.py catalogue validate --folder <this folder>
"""


class UnusableMetadata(ValueError):
    """What a server publishes of itself cannot be an entry; `member` names the part."""

    def __init__(self, member: str, reason: str) -> None:
        self.member = member
        super().__init__(f"{member}: {reason}")


def scaffold(
    provider_id: str,
    *,
    name: str,
    metadata: Mapping[str, Any] | None = None,
    api_url: str | None = None,
) -> Document:
    """The draft as JSON data. api_url: where the API's paths begin, when it is known.

    Raises UnusableMetadata.
    """
    oauth = _oauth_of(metadata) if metadata is not None else _empty_oauth()
    base_url = api_url or "https://api.TODO.example"
    document: Document = {
        "id": provider_id,
        "display_name": name,
        "category": "todo",
        "documentation_url": _text(metadata or {}, "service_documentation") or "https://TODO.example/oauth",
        "last_checked": None,
        "confidence": "low",
        "monogram": (name[:1].upper() + (name[1:2].lower() or "x")) if name[:1].isalpha() else "Xx",
        "color": "#334155",
        "auth_kind": "oauth2_code",
        "facts_unknown": ["access_token_lifetime", "refresh_token_lifetime", "rotation", "identity"],
        "setup_steps": ["TODO: what staff do in the provider's console; give it {redirect_uri}."],
        "credentials": {
            "client_id": _credential("Client ID", "Names your app."),
            "client_secret": _credential("Client secret", "Proves that a request comes from your app."),
        },
        "oauth": oauth,
        "api": {"base_url": base_url, "hosts": [urlsplit(base_url).netloc.lower()]},
    }
    document["facts_unknown"] += ["rate_limit", "webhooks"]
    _add_revocation(document, metadata or {})
    _add_scopes(document, metadata or {})
    return document


def as_yaml(document: Document, *, source: str) -> str:
    """The file's text; read back it is the same document."""
    head = _HEAD.format(name=document["display_name"], source=source)
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    assert read_text(body) == document, "what is written is what is read"
    return head + body


def _credential(label: str, description: str) -> dict[str, str]:
    return {"label": label, "description": description, "example": "TODO", "console_location": "TODO"}


def _empty_oauth() -> Document:
    return {
        "authorization_endpoint": "https://TODO.example/authorize",
        "token_endpoint": "https://TODO.example/token",
        "token_endpoint_auth_method": "client_secret_basic",
        "pkce": "optional",
        "scope": {},
        "expects_refresh_token": True,
    }


def _oauth_of(metadata: Mapping[str, Any]) -> Document:
    oauth: Document = {}
    for theirs, ours in _COPIED.items():
        value = _text(metadata, theirs)
        if value:
            if urlsplit(value).scheme != "https":
                raise UnusableMetadata(theirs, "is not an https address")
            oauth[ours] = value
    for needed in ("authorization_endpoint", "token_endpoint"):
        if needed not in oauth:
            raise UnusableMetadata(needed, "is missing")
    oauth["token_endpoint_auth_method"] = _auth_method(metadata)
    oauth["pkce"] = _pkce(metadata)
    if metadata.get("authorization_response_iss_parameter_supported") is True:
        oauth["authorization_response_iss_parameter_supported"] = True
    # A server that tells no grant types has the two of RFC 8414's default, without refresh_token.
    oauth["expects_refresh_token"] = "refresh_token" in _texts(metadata, "grant_types_supported")
    oauth["scope"] = {}
    if "offline_access" in _texts(metadata, "scopes_supported"):
        oauth["scope"] = {"mandatory": ["offline_access"]}
    return oauth


def _auth_method(metadata: Mapping[str, Any]) -> str:
    told = _texts(metadata, "token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    known = [method for method in _AUTH_METHODS if method in told]
    if not known:
        raise UnusableMetadata(
            "token_endpoint_auth_methods_supported", f"none of {', '.join(told)[:200]} is known here"
        )
    return known[0]


def _pkce(metadata: Mapping[str, Any]) -> str:
    """No member: the server knows no PKCE (RFC 8414 section 2); an ignored parameter does no harm then."""
    methods = _texts(metadata, "code_challenge_methods_supported")
    return "required" if methods == ["S256"] else "optional"


def _add_revocation(document: Document, metadata: Mapping[str, Any]) -> None:
    endpoint = _text(metadata, "revocation_endpoint")
    if not endpoint:
        document["facts_unknown"].append("revocation")
        return
    method = document["oauth"]["token_endpoint_auth_method"]
    document["revocation"] = {"url": endpoint, "auth": method, "token_type_hint": True}


def _add_scopes(document: Document, metadata: Mapping[str, Any]) -> None:
    scopes = _texts(metadata, "scopes_supported")
    if not scopes:
        document["facts_unknown"].append("scopes")
        return
    document["scopes"] = [
        {"name": scope, "meaning": f"TODO: {scope} in a customer's words", "group": "TODO"}
        for scope in dict.fromkeys(scopes)
    ]


def _text(metadata: Mapping[str, Any], name: str) -> str:
    value = metadata.get(name)
    return value if isinstance(value, str) else ""


def _texts(metadata: Mapping[str, Any], name: str) -> list[str]:
    value = metadata.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
