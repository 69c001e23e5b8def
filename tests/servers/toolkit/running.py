"""django-oauth-toolkit in a Django process of its own."""

from __future__ import annotations

import secrets
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.contract.outside import TIMEOUT_SECONDS
from tests.servers import process
from tests.servers.real import LOGIN, NAME, PASSWORD, App, RealServer
from tests.servers.visitor import Visitor
from tests.services import free_port
from tests.suite import ROOT


class Toolkit(RealServer):
    """Python's most used authorization server: oauthlib's server side, Django's login, a page that asks."""

    whoami = "/api/whoami"
    account_id = LOGIN
    token_path = "/token/"
    introspection_path = "/introspect/"

    def __init__(self, url: str, *, name: str, database: Path) -> None:
        super().__init__(url)
        self.name = name
        self.origin = self.issuer = f"https://{name}.example"
        self._database = database

    def register(self, redirect_uri: str, **wanted: Any) -> App:
        """RFC 7591."""
        client = {
            "client_name": "Patchbay",
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "client_secret_basic",
            **wanted,
        }
        reply = requests.post(f"{self.url}/register/", json=client, timeout=TIMEOUT_SECONDS)
        assert reply.status_code == 201, reply.text
        made = reply.json()
        return App(made["client_id"], made["client_secret"])

    def log_in(self, visitor: Visitor, authorize_url: str) -> requests.Response:
        """What it shows after the login."""
        page = visitor.go(authorize_url)
        is_known = 'name="password"' not in page.text
        return page if is_known else visitor.submit(page, username=LOGIN, password=PASSWORD)

    def consent(self, visitor: Visitor, authorize_url: str) -> str:
        return visitor.back(visitor.submit(self.log_in(visitor, authorize_url), allow="Authorize"))

    def deny(self, visitor: Visitor, authorize_url: str) -> str:
        return visitor.back(visitor.submit(self.log_in(visitor, authorize_url)))

    def expire_codes(self) -> None:
        with closing(sqlite3.connect(self._database, timeout=20)) as database, database:
            database.execute("UPDATE oauth2_provider_grant SET expires = '2026-01-01 00:00:00'")

    def finish_entry(self, document: dict[str, Any]) -> None:
        document["oauth"]["rotates_refresh_token"] = True
        document["oauth"]["lifetimes"] = {"access_token_seconds": 600}
        document["identity"] = [{"url": self.origin + self.whoami, "account_id": "id", "name": "name"}]


@contextmanager
def running(folder: Path, *, name: str = "toolkit", grace_seconds: int = 0) -> Iterator[Toolkit]:
    """Serve it with one customer. grace_seconds: for how long a refresh token that was used still serves."""
    port, database = free_port(), folder / "toolkit.sqlite3"
    url = f"http://127.0.0.1:{port}"
    with process.running(
        [sys.executable, "-m", "tests.servers.toolkit", str(port), LOGIN, PASSWORD, NAME],
        folder=folder,
        ready_url=f"{url}/.well-known/oauth-authorization-server",
        environment={
            "DJANGO_SETTINGS_MODULE": "tests.servers.toolkit.settings",
            "PYTHONPATH": str(ROOT),
            "TOOLKIT_SECRET_KEY": secrets.token_urlsafe(50),
            "TOOLKIT_DATABASE": str(database),
            "TOOLKIT_ISSUER": f"https://{name}.example",
            "TOOLKIT_GRACE_SECONDS": str(grace_seconds),
        },
    ):
        yield Toolkit(url, name=name, database=database)
