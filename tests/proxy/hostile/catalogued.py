"""Entries without a table in providers.py: what they close and what they leave open, by their files of replies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from integrations import catalogue
from tests.integrations.contract_set import replies
from tests.proxy.hostile.providers import CLOSED, ORIGINS

#: HubSpot has the table of paths.py
_TABLED = {"hubspot", *CLOSED, *ORIGINS}


@dataclass(frozen=True)
class Entry:
    """base is where a passthrough call begins, open an address that a partner calls, closed those that none may."""

    id: str
    base: str
    hosts: tuple[str, ...]
    open: str
    closed: tuple[str, ...]
    integration: dict[str, str] = field(hash=False)
    connection: dict[str, Any] = field(hash=False)

    def __str__(self) -> str:
        return self.id


def _entry(provider: catalogue.Provider) -> Entry:
    told = replies.load(provider.id)
    staff, api = told.mapping("integration"), told["api"]
    connection = {
        "connection_config": told.mapping("connection"),
        "captured": told.mapping("captured"),
        "provider_account_data": dict(told.document.get("account", {}).get("extras", {})),
    }
    values = {
        **connection["provider_account_data"],
        **staff,
        **connection["connection_config"],
        **connection["captured"],
    }
    return Entry(
        provider.id,
        catalogue.resolve_base_url(provider, values).removesuffix("/"),
        tuple(api["hosts"]),
        api["request"]["url"],
        tuple(api.get("closed", [])),
        staff,
        connection,
    )


ENTRIES = [_entry(provider) for provider in catalogue.all_providers() if provider.id not in _TABLED]


def spellings(url: str) -> Iterator[str]:
    """Other ways to write an address of which a server may take some for the same."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    path = url.removeprefix(origin)
    parent, _, name = path.removesuffix("/").rpartition("/")
    yield f"{origin}{path.removesuffix('/')}/"
    yield f"{url}?x=1"
    if name:
        yield f"{origin}{path.swapcase()}"
        yield f"{origin}{parent}//{name}"
        yield f"{origin}{parent}/%{ord(name[0]):02x}{name[1:]}"
