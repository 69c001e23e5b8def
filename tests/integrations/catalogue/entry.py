"""A small valid entry, and a folder with one changed copy of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from integrations.catalogue import Provider, facts
from integrations.catalogue.building import build

ENTRY: dict[str, Any] = {
    "id": "acme",
    "display_name": "Acme",
    "category": "crm",
    "documentation_url": "https://docs.acme.example/oauth",
    "last_checked": "2026-11-25",
    "confidence": "low",
    "monogram": "Ac",
    "color": "#335577",
    "auth_kind": "oauth2_code",
    "facts_unknown": ["access_token_lifetime", "refresh_token_lifetime", "rotation"],
    "facts_absent": ["rate_limit", "webhooks"],
    "setup_steps": ["Add {redirect_uri} to the app."],
    "credentials": {
        "client_id": {
            "label": "Client ID",
            "pattern": "[a-z0-9]+",
            "description": "Names the app.",
            "example": "abc1",
            "console_location": "Apps",
        },
        "client_secret": {
            "label": "Secret",
            "description": "Proves the app.",
            "example": "made up",
            "console_location": "Apps",
        },
    },
    "oauth": {
        "authorization_endpoint": "https://{sub}.shop.example/authorize",
        "token_endpoint": "https://{sub}.shop.example/token",
        "token_endpoint_auth_method": "client_secret_post",
        "pkce": "optional",
        "scope": {"mandatory": ["read"]},
        "expects_refresh_token": True,
        "token_captures": [
            {
                "path": "api",
                "store_as": "api_host",
                "takes": "host",
                "allowed_host_suffixes": [".acme.example"],
            }
        ],
        "verdicts": [{"verdict": "grant_gone", "errors": ["gone"], "description_pattern": "gone"}],
    },
    "connection_fields": [
        {
            "name": "sub",
            "title": "Shop",
            "description": "The shop's name.",
            "example": "my-shop-1",
            "pattern": "[a-z0-9-]{1,63}",
        },
        {
            "name": "note",
            "title": "Note",
            "description": "Any text.",
            "example": "hello",
            "pattern": ".{1,100}",
            "kind": "text",
            "required": False,
        },
    ],
    "api": {
        "base_url": "https://api.acme.example",
        "hosts": ["api.acme.example", "{sub}.shop.example", "{api_host}"],
        "headers": {"X-Client": "{client_id}"},
        "closed_paths": [{"pattern": "/oauth/**"}],
    },
    "identity": [
        {"url": "https://api.acme.example/me?note={note}", "account_id": "id", "extras": {"team": "team.id"}}
    ],
    "revocation": {"url": "https://api.acme.example/revoke/{token}"},
    "scopes": [{"name": "read", "meaning": "Read records", "group": "Records"}],
}

DELETED = object()


def with_facts(document: dict[str, Any]) -> dict[str, Any]:
    """The document with every fact that it does not fill named as unknown; changes what it is given."""
    document |= {"facts_unknown": [], "facts_absent": []}
    provider = build(Provider, document)
    document["facts_unknown"] = sorted(facts.applicable(provider) - facts.filled(provider))
    return document


def changed(*changes: tuple[tuple[str | int, ...], Any]) -> dict[str, Any]:
    """A copy of ENTRY with the values at the given paths replaced, added or DELETED."""
    document = copy.deepcopy(ENTRY)
    for path, value in changes:
        parent: Any = document
        for step in path[:-1]:
            parent = parent[step]
        if value is DELETED:
            del parent[path[-1]]
        elif isinstance(parent, list) and path[-1] == len(parent):
            parent.append(value)
        else:
            parent[path[-1]] = value
    return document


def write_entry(folder: Path, document: dict[str, Any], *, name: str = "acme.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path
