"""Glewlwyd, an authorization server in C, from its Debian package; configured through its own administration API."""

from __future__ import annotations

import gzip
import itertools
import json
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.contract.outside import TIMEOUT_SECONDS
from tests.servers import process
from tests.servers.real import LOGIN, NAME, PASSWORD, App, RealServer
from tests.servers.visitor import Visitor
from tests.services import free_port

_TABLES = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
_PAGES = Path("/usr/share/glewlwyd/webapp")
_CONFIGURATION = """\
port={port}
bind_address="127.0.0.1"
external_url="{origin}"
login_url="login.html"
api_prefix="api"
static_files_path="{pages}/"
log_mode="console"
log_level="WARNING"
cookie_secure=0
cookie_same_site="lax"
session_key="GLEWLWYD2_SESSION_ID"
admin_session_authentication="cookie"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
use_secure_connection=false
secure_connection_key_file="unused"
secure_connection_pem_file="unused"
secure_connection_ca_file="unused"
hash_algorithm="SHA512"
database = {{ type = "sqlite3" path = "{database}" }};
static_files_mime_types = (
  {{ extension = ".html" mime_type = "text/html" compress = 0 }},
  {{ extension = ".css" mime_type = "text/css" compress = 0 }},
  {{ extension = ".js" mime_type = "application/javascript" compress = 0 }},
  {{ extension = ".json" mime_type = "application/json" compress = 0 }}
)
"""
#: what its pages' script asks for by the name of config.json
_ADDRESSES = {
    "GlewlwydUrl": "",
    "ProfileUrl": "profile.html",
    "LoginUrl": "login.html",
    "AdminUrl": "index.html",
}
#: of the package's own first administrator
_ADMIN = {"username": "admin", "password": "password"}
_SCOPES = ("contacts", "files")


class Glewlwyd(RealServer):
    """Its pages are one script that speaks JSON to it; the steps here are that script's calls."""

    name = "glewlwyd"
    origin = "https://glewlwyd.example"
    issuer = "https://glewlwyd.example/api/oidc"
    whoami = "/api/oidc/userinfo"
    token_path = "/api/oidc/token"
    introspection_path = "/api/oidc/introspect"
    has_pushed_requests = True

    def __init__(self, url: str, *, database: Path) -> None:
        super().__init__(url)
        self._database = database
        self._admin = requests.Session()
        self._numbers = itertools.count(1)

    @property
    def account_id(self) -> str:  # type: ignore[override]  # the server makes it up at the first token
        with closing(sqlite3.connect(self._database, timeout=20)) as database:
            row = database.execute(
                "SELECT gposi_sub FROM gpo_subject_identifier WHERE gposi_username = ?", [LOGIN]
            )
            return str(row.fetchone()[0])

    def administer(self, path: str, content: dict[str, Any]) -> None:
        """One call of the administration API."""
        reply = self._admin.post(f"{self.url}/api/{path}", json=content, timeout=TIMEOUT_SECONDS)
        assert reply.status_code == 200, f"{path}: {reply.status_code} {reply.text}"

    def register(self, redirect_uri: str, **wanted: Any) -> App:
        app = App(f"patchbay-{next(self._numbers)}", secrets.token_urlsafe())
        client = {
            "client_id": app.client_id,
            "name": "Patchbay",
            "client_secret": app.client_secret,
            "confidential": True,
            "enabled": True,
            "redirect_uri": [redirect_uri],
            "authorization_type": ["code", "refresh_token", "delete_token"],
            "token_endpoint_auth_method": ["client_secret_basic"],
            "scope": [],
            **wanted,
        }
        self.administer("client/", client)
        return app

    def consent(self, visitor: Visitor, authorize_url: str) -> str:
        return visitor.back(self.decide(visitor, authorize_url, grants=("openid", *_SCOPES)))

    def deny(self, visitor: Visitor, authorize_url: str) -> str:
        raise NotImplementedError("its page lets nobody say no; see decide()")

    def decide(self, visitor: Visitor, authorize_url: str, *, grants: tuple[str, ...]) -> requests.Response:
        """Log in, tick these scopes and go on."""
        page = visitor.go(authorize_url)
        assert "login.js" in page.text, page.text[:500]
        asked = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
        said = visitor.go(
            f"{self.url}/api/auth/", method="POST", json={"username": LOGIN, "password": PASSWORD}
        )
        assert said.status_code == 200
        grant = f"{self.url}/api/auth/grant/{quote(asked['client_id'])}"
        shown = visitor.go(f"{grant}/{quote(asked['scope'])}")
        assert {scope["name"] for scope in shown.json()["scope"]} <= {*asked["scope"].split()}
        assert visitor.go(grant, method="PUT", json={"scope": " ".join(grants)}).status_code == 200
        return visitor.go(f"{asked['callback_url']}&g_continue")

    def expire_codes(self) -> None:
        with closing(sqlite3.connect(self._database, timeout=20)) as database, database:
            database.execute("UPDATE gpo_code SET gpoc_expires_at = 1")

    def finish_entry(self, document: dict[str, Any]) -> None:
        oauth = document["oauth"]
        oauth["expects_refresh_token"] = True  # its metadata forget the grant type refresh_token
        oauth["authorization_response_iss_parameter_supported"] = True  # and that it sends `iss`
        oauth["rotates_refresh_token"] = True
        oauth["lifetimes"] = {"access_token_seconds": 600}
        document["identity"] = [{"url": self.origin + self.whoami, "account_id": "sub", "name": "name"}]


@contextmanager
def running(folder: Path) -> Iterator[Glewlwyd]:
    """Serve it with one customer."""
    program = shutil.which("glewlwyd")
    if program is None:
        pytest.skip("glewlwyd is not installed (Debian: apt-get install glewlwyd)")
    port, database = free_port(), folder / "glewlwyd.sqlite3"
    with closing(sqlite3.connect(database)) as made:
        made.executescript(_tables())
    configuration = folder / "glewlwyd.conf"
    pages = _pages(folder)
    configuration.write_text(
        _CONFIGURATION.format(port=port, origin=Glewlwyd.origin, database=database, pages=pages)
    )
    url = f"http://127.0.0.1:{port}"
    command = [program, f"--config-file={configuration}"]
    with process.running(command, folder=folder, ready_url=f"{url}/config"):
        server = Glewlwyd(url, database=database)
        _configure(server)
        yield server


def _pages(folder: Path) -> Path:
    """Its pages with the libraries that the package links to, which the server does not follow."""
    pages = folder / "pages"
    shutil.copytree(_PAGES, pages, ignore=shutil.ignore_patterns("config.json", "*.map"))
    addresses = {name: f"{Glewlwyd.origin}/{page}" for name, page in _ADDRESSES.items()}
    (pages / "config.json").write_text(json.dumps({"lang": ["en"], **addresses}))
    return pages


def _tables() -> str:
    """The package's own script."""
    raw = _TABLES.read_bytes()
    return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()


def _configure(server: Glewlwyd) -> None:
    server.administer("auth/", _ADMIN)
    for scope in _SCOPES:
        shown = {
            "display_name": scope,
            "description": f"Read {scope}",
            "password_required": True,
            "scheme": {},
        }
        server.administer("scope/", {"name": scope, **shown})
    person = {"username": LOGIN, "password": PASSWORD, "name": NAME, "enabled": True}
    server.administer("user/", {**person, "scope": [*_SCOPES, "openid", "g_profile"]})
    plugin = {"module": "oidc", "name": "oidc", "display_name": "OpenID", "order_rank": 0, "readonly": False}
    server.administer("mod/plugin/", {**plugin, "parameters": _plugin_parameters(server.issuer)})


def _plugin_parameters(issuer: str) -> dict[str, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    off = ("token", "implicit", "password", "client", "device", "none")
    return {
        "iss": issuer,
        "jwt-type": "rsa",
        "jwt-key-size": "256",
        "key": private.decode(),
        "cert": public.decode(),
        "access-token-duration": 600,
        "refresh-token-duration": 86_400,
        "code-duration": 60,
        "refresh-token-rolling": False,
        "refresh-token-one-use": "always",
        "allow-non-oidc": True,
        "auth-type-code-enabled": True,
        "auth-type-code-revoke-replayed": True,
        "auth-type-refresh-enabled": True,
        **{f"auth-type-{kind}-enabled": False for kind in off},
        "scope": [],
        "additional-parameters": [],
        "claims": [],
        "allowed-scope": ["openid", *_SCOPES],
        "jwks-show": True,
        "subject-type": "public",
        "name-claim": "mandatory",
        "email-claim": "no",
        "scope-claim": "no",
        "pkce-allowed": True,
        "pkce-required": True,
        "pkce-method-plain-allowed": False,
        "pkce-scopes": [],
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
        "introspection-revocation-auth-scope": [],
        "oauth-par-allowed": True,
        "oauth-par-required": False,
        "oauth-par-request_uri-prefix": "urn:ietf:params:oauth:request_uri:",
        "oauth-par-duration": 90,
        "oauth-as-iss-id": True,
    }
