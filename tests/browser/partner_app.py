"""The partner's own backend, which asks the platform's API for links and calls the proxy."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import quote

import requests

_numbers = itertools.count(1)


class PartnerApp:
    """Speaks HTTP with the demo's API key. Replies that are not 2xx fail the test with their body."""

    def __init__(self, demo: dict[str, Any]) -> None:
        self.base_url: str = demo["baseUrl"]
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {demo['apiKey']}"

    def new_customer(self) -> str:
        """A foreign identifier that no test has used."""
        return f"tenant {next(_numbers)}/ü"

    def connect_link(self, identifier: str, *, slug: str = "hbdev", **members: Any) -> dict[str, Any]:
        body = {
            "appSlug": slug,
            "userForeignIdentifier": identifier,
            "customer": {"displayName": "Ada’s Bakery"},
            **members,
        }
        return self._json("POST", "/api/v1/connect-links", json=body)

    def manage_link(self, identifier: str) -> str:
        made = self._json("POST", "/api/v1/manage-links", json={"userForeignIdentifier": identifier})
        return str(made["url"])

    def connection(self, connection_id: str) -> dict[str, Any]:
        return self._json("GET", f"/api/v1/connections/{connection_id}")

    def link_state(self, link: dict[str, Any]) -> str:
        return str(self._json("GET", f"/api/v1/connect-links/{link['id']}")["state"])

    def revoke(self, link: dict[str, Any]) -> None:
        reply = self.session.delete(f"{self.base_url}/api/v1/connect-links/{link['id']}", timeout=15)
        assert reply.status_code == 204, reply.text

    def contacts(self, identifier: str, *, slug: str = "hbdev") -> requests.Response:
        """HubSpot's contacts of that customer, through the passthrough."""
        place = f"/proxy/{slug}/{quote(identifier, safe='')}/crm/v3/objects/contacts"
        return self.session.get(self.base_url + place, timeout=15)

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        reply = self.session.request(method, self.base_url + path, timeout=15, **options)
        assert reply.ok, f"{method} {path}: {reply.status_code} {reply.text}"
        return dict(reply.json())
