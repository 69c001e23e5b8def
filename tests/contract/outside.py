"""What anybody outside holds: addresses, keys, a data folder and commands. Imports nothing of the product."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import uuid
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from tests.suite import ROOT

TIMEOUT_SECONDS = 30
Json = dict[str, Any]
_WRITTEN_BY_JOBS = {"accounts_auditentry", "accounts_event", "integrations_pendingrevocation"}


@dataclass(frozen=True)
class Partner:
    """The three secrets of one credential."""

    client_id: str
    client_secret: str
    api_key: str

    @classmethod
    def of(cls, answers: Json) -> Partner:
        return cls(answers["clientId"], answers["clientSecret"], answers["apiKey"])

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    @property
    def basic(self) -> dict[str, str]:
        pair = f"{self.client_id}:{self.client_secret}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}


@dataclass(frozen=True)
class Raw:
    """A reply as it came: nothing decoded, followed or merged."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Outside:
    """One running demo. Every test takes customers of its own."""

    demo: Json
    folder: Path

    @property
    def base(self) -> str:
        return str(self.demo["baseUrl"])

    @property
    def slug(self) -> str:
        return str(self.demo["appSlug"])

    @property
    def partner(self) -> Partner:
        return Partner.of(self.demo)

    def call(
        self,
        method: str,
        path: str,
        *,
        partner: Partner | None = None,
        as_nobody: bool = False,
        **kwargs: Any,
    ) -> requests.Response:
        """One call of a partner, by default the demo's; redirects are handed back."""
        headers = {} if as_nobody else (partner or self.partner).bearer
        headers = {**headers, **kwargs.pop("headers", {})}
        url = path if path.startswith("http") else self.base + path
        kwargs = {"timeout": TIMEOUT_SECONDS, "allow_redirects": False, **kwargs}
        return requests.request(method, url, headers=headers, **kwargs)

    def raw(
        self,
        method: str,
        target: str,
        *,
        headers: Iterable[tuple[str, str]] | None = None,
        body: bytes | None = None,
        base: str | None = None,
    ) -> Raw:
        """A request whose target and header fields are sent exactly so; by default with the demo's key."""
        place = urlsplit(base or self.base)
        assert place.hostname is not None
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=TIMEOUT_SECONDS)
        fields = list(self.partner.bearer.items() if headers is None else headers)
        try:
            has_host = any(name.lower() == "host" for name, _ in fields)
            connection.putrequest(method, target, skip_host=has_host, skip_accept_encoding=True)
            for name, value in fields:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            reply = connection.getresponse()
            return Raw(reply.status, reply.getheaders(), reply.read())
        finally:
            connection.close()

    def spoken(self, request: bytes, *, base: str | None = None) -> bytes:
        """Bytes sent to the server, and all that comes back until it closes (the request has to ask for that)."""
        place = urlsplit(base or self.base)
        with socket.create_connection(("127.0.0.1", place.port or 80), timeout=TIMEOUT_SECONDS) as wire:
            wire.sendall(request)
            received = b""
            while piece := wire.recv(65_536):
                received += piece
        return received

    # the sandbox

    def control(self, method: str, path: str, payload: Any = None, *, expect: int | None = None) -> Any:
        reply = requests.request(
            method, f"{self.demo['sandboxUrl']}/_control{path}", json=payload, timeout=TIMEOUT_SECONDS
        )
        assert reply.status_code == expect if expect else reply.status_code < 300, reply.text
        return reply.json() if reply.content else None

    def arrived(self, mark: str) -> list[Json]:
        """The requests that reached the provider with this mark in their target, oldest first."""
        return [seen for seen in self.control("GET", "/requests") if mark in seen["rawTarget"]]

    @contextmanager
    def behaving(self, **changes: Any) -> Iterator[None]:
        """The sandbox with other behaviour, for a while."""
        before = self.control("GET", "/state")["behaviour"]
        self.control("PATCH", "/behaviour", changes)
        try:
            yield
        finally:
            self.control("PATCH", "/behaviour", {name: before[name] for name in changes})

    @property
    def app_client_id(self) -> str:
        """The client id of the demo's app at HubSpot, as the data folder's settings name it."""
        for line in (self.folder / ".env").read_text().splitlines():
            if line.startswith("SANDBOX_DEMO_CLIENT_ID="):
                return line.partition("=")[2].strip("'")
        raise AssertionError("the settings name no demo app")

    # customers and connections

    def customer(self) -> str:
        """A customer whom no other test knows."""
        return f"customer {uuid.uuid4()}"

    def link(self, identifier: str, *, partner: Partner | None = None, **members: Any) -> Json:
        body = {"appSlug": self.slug, "userForeignIdentifier": identifier, **members}
        reply = self.call("POST", "/api/v1/connect-links", json=body, partner=partner)
        assert reply.status_code == 201, reply.text
        return dict(reply.json())

    def account(self) -> int:
        """An account at HubSpot whom no other test connects: ending one grant ends those beside it."""
        hub_id = 700_000_000 + uuid.uuid4().int % 100_000_000
        self.control("POST", "/accounts", {"hubId": hub_id}, expect=201)
        return hub_id

    def grant(self, *, hub_id: int = 62515, client_id: str | None = None) -> Json:
        """Tokens as the customer of another system would have them."""
        asked = {"clientId": client_id or self.app_client_id, "hubId": hub_id}
        return dict(self.control("POST", "/grants", asked, expect=201))

    def adopt(
        self, customer: str, *, partner: Partner | None = None, tokens: Json | None = None, **members: Any
    ) -> Json:
        """A connection in one call: tokens that exist already are imported."""
        tokens = tokens or self.grant()
        body = {
            "appSlug": self.slug,
            "userForeignIdentifier": customer,
            "accessToken": tokens["accessToken"],
            "refreshToken": tokens["refreshToken"],
            "expiresIn": 1800,
            "scopes": tokens["scopes"],
            **members,
        }
        reply = self.call("POST", "/api/v1/connections/import", json=body, partner=partner)
        assert reply.status_code == 201, reply.text
        return dict(reply.json())

    def connection(self, uuid_text: str) -> Json:
        reply = self.call("GET", f"/api/v1/connections/{uuid_text}")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def through(self, customer: str, rest: str) -> str:
        """The passthrough path of a customer."""
        return f"/proxy/{self.slug}/{quote(customer, safe='')}{rest}"

    def envelope(self, customer: str | None, method: str = "GET", url: str = "/", **members: Any) -> Any:
        body = {"userForeignIdentifier": customer, "method": method, "url": url, **members}
        body = {name: value for name, value in body.items() if value is not None}
        return self.call("POST", f"/api/v1/proxy/{self.slug}", json=body)

    # the data folder

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "patchbay.sqlite3", timeout=20, isolation_level=None)

    def rows(self) -> dict[str, int]:
        """How many rows each table holds that a call could leave half-made; what jobs write meanwhile is left out."""
        db = self.database()
        try:
            names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            ours = [name for name in names if name.startswith(("accounts_", "integrations_"))]
            ours = [name for name in ours if name not in _WRITTEN_BY_JOBS]
            return {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in ours}
        finally:
            db.close()

    def count(self, table: str, where: str = "1") -> int:
        db = self.database()
        try:
            return int(db.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])
        finally:
            db.close()

    def expire_link(self, link_id: str) -> None:
        """An hour passes for this link."""
        self._expire("integrations_connectlink", "id = ?", uuid.UUID(link_id).hex)

    def expire_manage_links(self, customer: str) -> None:
        """Weeks pass for the links to this customer's own page."""
        whose = "customer_id IN (SELECT id FROM accounts_customer WHERE foreign_identifier = ?)"
        self._expire("integrations_managelink", whose, customer)

    def _expire(self, table: str, where: str, value: str) -> None:
        db = self.database()
        moved = db.execute(f"UPDATE {table} SET expires_at = '2026-01-01 00:00:00' WHERE {where}", [value])
        assert moved.rowcount >= 1
        db.close()

    # commands

    def manage(
        self, *words: str, env: dict[str, str] | None = None, **kwargs: Any
    ) -> subprocess.CompletedProcess[str]:
        """`manage.py` as an operator types it beside this data folder."""
        inherited = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "TZ")
        environment = {name: os.environ[name] for name in inherited if name in os.environ}
        environment |= {"PATCHBAY_DATA_DIR": str(self.folder), **(env or {})}
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **kwargs,
        )


def problem(
    reply: requests.Response | Raw, status: int, code: str, *, field: str | None = None
) -> dict[str, Any]:
    """Assert that a reply is this problem, with every member that the contract promises; returns its JSON."""
    if isinstance(reply, Raw):
        shown, headers = reply.status, {name.lower(): value for name, value in reply.headers}
        content = reply.body
    else:
        shown, headers = reply.status_code, {name.lower(): value for name, value in reply.headers.items()}
        content = reply.content
    assert shown == status, (shown, content[:600])
    assert headers["content-type"].partition(";")[0] == "application/problem+json", content[:300]
    found: dict[str, Any] = json.loads(content)
    assert {"type", "title", "status", "detail", "code", "requestId"} <= set(found)
    assert found["status"] == status
    assert found["code"] == code, found
    assert found["type"].startswith("https://") and found["title"] and found["detail"]
    assert headers["x-request-id"] == found["requestId"]
    if field is not None:
        assert found.get("field") == field, found
    if code == "invalid_request":
        assert found.get("field"), found
    if status == 401:
        assert headers.get("www-authenticate")
    if code in {"rate_limited", "refresh_unavailable", "saturated", "circuit_open"}:
        assert int(headers["retry-after"]) >= 1
    return found


def without_id(found: dict[str, Any]) -> dict[str, Any]:
    """A problem less the one member that differs each time."""
    return {name: value for name, value in found.items() if name != "requestId"}
