"""npm's oidc-provider: certified OpenID provider in JavaScript."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from tests.contract.outside import TIMEOUT_SECONDS
from tests.sdks import installed
from tests.servers import process
from tests.servers.real import LOGIN, PASSWORD, App, RealServer
from tests.servers.visitor import Visitor
from tests.services import free_port

HERE = Path(__file__).parent


class OidcProvider(RealServer):
    """Requires PKCE, rotates refresh tokens, names itself in every answer; its pages are server-made forms."""

    whoami = "/me"
    account_id = LOGIN
    token_path = "/token"
    introspection_path = "/token/introspection"

    def __init__(self, url: str, *, name: str, registration_token: str, is_pushed: bool) -> None:
        super().__init__(url)
        self.name = name
        self.origin = self.issuer = f"https://{name}.example"
        self.has_pushed_requests = is_pushed
        self._registration_token = registration_token

    def register(self, redirect_uri: str, **wanted: Any) -> App:
        """RFC 7591. wanted: further client metadata."""
        client = {
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            **wanted,
        }
        reply = requests.post(
            f"{self.url}/reg",
            json=client,
            headers={"Authorization": f"Bearer {self._registration_token}"},
            timeout=TIMEOUT_SECONDS,
        )
        assert reply.status_code == 201, reply.text
        made = reply.json()
        return App(made["client_id"], made.get("client_secret", ""))

    def log_in(self, visitor: Visitor, authorize_url: str) -> requests.Response:
        """The page that asks for consent."""
        page = visitor.go(authorize_url)
        is_known = 'name="password"' not in page.text
        return page if is_known else visitor.submit(page, login=LOGIN, password=PASSWORD)

    def consent(self, visitor: Visitor, authorize_url: str) -> str:
        return visitor.back(visitor.submit(self.log_in(visitor, authorize_url)))

    def deny(self, visitor: Visitor, authorize_url: str) -> str:
        page = self.log_in(visitor, authorize_url)
        cancel = re.search(r'href="([^"]+/abort)"', page.text)
        assert cancel is not None, page.text
        return visitor.back(visitor.go(urljoin(page.url, unescape(cancel[1]))))

    def expire_codes(self) -> None:
        time.sleep(2.1)  # those of a client that is named `hasty` live for one second

    def finish_entry(self, document: dict[str, Any]) -> None:
        document["oauth"]["authorization_params"] = {"prompt": "consent"}  # else no refresh token is given
        # Its userinfo, by which the account is told, wants a token with openid.
        document["oauth"]["scope"] = {"mandatory": ["openid", "offline_access"]}
        document["oauth"]["rotates_refresh_token"] = True
        document["oauth"]["lifetimes"] = {"access_token_seconds": 600}
        # What one browser has agreed to for one app is one grant, and with one of its tokens all of it ends.
        document["revocation"]["shared_by_account"] = True
        document["identity"] = [{"url": self.origin + self.whoami, "account_id": "sub", "name": "name"}]


@contextmanager
def running(folder: Path, *, name: str, is_pushed: bool = False) -> Iterator[OidcProvider]:
    """is_pushed: takes authorization requests only when they were pushed ahead (RFC 9126)."""
    port, registration_token = free_port(), secrets.token_urlsafe()
    settings = {
        "port": port,
        "issuer": f"https://{name}.example",
        "cookieKey": secrets.token_urlsafe(),
        "registrationToken": registration_token,
        "requiresPushedRequests": is_pushed,
    }
    (folder / "node_modules").symlink_to(installed.node_modules(HERE))
    shutil.copy(HERE / "server.mjs", folder)
    node = shutil.which("node")
    assert node is not None
    url = f"http://127.0.0.1:{port}"
    with process.running(
        [node, "server.mjs"],
        folder=folder,
        ready_url=f"{url}/.well-known/openid-configuration",
        environment={"SETTINGS": json.dumps(settings)},
    ):
        yield OidcProvider(url, name=name, registration_token=registration_token, is_pushed=is_pushed)
