"""A partner's app that speaks StackGo's API to the served platform, and the customer in front of its pages."""

from __future__ import annotations

import hashlib
import hmac
import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from integrations import tasks
from integrations.models import Connection, Integration
from proxy import plane
from tests import factories
from tests.contract.browser import Browser
from tests.factories import World
from tests.integrations.stackgo_eight.connectors import SECRET, Connector, Json, Provider
from tests.provider_server import ProviderServer
from tests.proxy.servers import Served, served

TIMEOUT_SECONDS = 15


@dataclass
class App:
    """The partner's app. It knows the base URL, one slug and its credential; nothing else of the platform."""

    base: str
    connector: Connector
    provider: Provider
    bearer: str
    queued: list[str]
    browser: Browser = field(default_factory=Browser)

    @property
    def slug(self) -> str:
        return f"{self.connector.provider}-dev"

    def call(self, method: str, path: str, **given: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.bearer}"}
        return requests.request(
            method,
            f"{self.base}{path}",
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            **given,
        )

    def link(self, identifier: str = "cust", **params: str) -> Json:
        """The install link's three members."""
        params = {"userForeignIdentifier": identifier, **params}
        reply = self.call("GET", f"/api/{self.connector.name}/auth/{self.slug}", params=params)
        assert reply.status_code == 200, reply.text
        made: Json = reply.json()
        assert set(made) == {"url", "userForeignIdentifier", "UUID"}
        return made

    def leave(self, made: Json, **typed: str) -> str:
        """The customer opens the link, types what is asked, and is sent to the provider's address."""
        with self.provider.unmapped():  # so that the address is the one that customers are sent to
            page = self.browser.press(self.browser.open(self.here(made["url"])), **typed)
        found = re.search(r'content="\d+; ?url=([^"]+)"', page.text)
        assert found is not None, page.text
        return html.unescape(found[1])

    def come_back(
        self,
        authorize_url: str,
        callback: Mapping[str, str] | None = None,
        *,
        code: str = "code-1",
        **headers: str,
    ) -> requests.Response:
        """The provider sends the customer back with a code; the platform's page or JSON."""
        asked = dict(parse_qsl(urlsplit(authorize_url).query))
        back = {"code": code, "state": asked["state"], **(callback or self.connector.callback)}
        if self.connector.provider == "shopify":
            back.setdefault("hmac", signed(back))
        return self.browser.open(f"{self.here(asked['redirect_uri'])}?{urlencode(back)}", **headers)

    def choose(self, page: requests.Response, account: str) -> requests.Response:
        """Choose an account on the page that lists those of the consent."""
        attempt = re.search(r'name="attempt" value="([^"]+)"', page.text)
        assert attempt is not None, page.text
        return self.browser.press(page, attempt=attempt[1], account=account, accept="application/json")

    def connect(
        self, identifier: str = "cust", *, typed: Mapping[str, str] | None = None, code: str = "code-1"
    ) -> str:
        """The whole walk of one customer; the UUID."""
        made = self.link(identifier)
        url = self.leave(made, **(self.connector.typed if typed is None else typed))
        if self.connector.account:
            reply = self.choose(self.come_back(url, code=code), self.connector.account)
        else:
            reply = self.come_back(url, code=code, Accept="application/json")
        assert reply.json() == {"message": "User Registered", "userForeignIdentifier": identifier}, reply.text
        return str(made["UUID"])

    def raw(
        self, url: str, *, method: str = "GET", identifier: str = "cust", is_form: bool = True, **members: Any
    ) -> requests.Response:
        """A raw call; its body is a form, as StackGo's samples have it, or JSON."""
        body = {"userForeignIdentifier": identifier, "method": method, "url": url, **members}
        path = self.connector.raw.format(slug=self.slug)
        return self.call("POST", path, data=body) if is_form else self.call("POST", path, json=body)

    def end_token(self) -> None:
        """The provider takes the access token for expired, some minutes after it was given."""
        self.provider.expire()
        Connection.objects.update(token_stored_at=timezone.now() - timedelta(minutes=5))

    def read(self) -> Any:
        """The data of the connector's usual raw call."""
        reply = self.raw(self.connector.reading)
        assert reply.status_code == 200, reply.text
        assert set(reply.json()) == {"data"}
        return reply.json()["data"]

    def field_sent(self, name: str, headers: str | None) -> list[str]:
        """What the provider got of a field when the usual raw call carries these headers."""
        url = self.connector.reading
        reply = self.raw(url) if headers is None else self.raw(url, headers=headers)
        assert reply.status_code == 200, reply.text
        received = self.provider.calls(url)[-1].headers
        return [value for field_name, value in received if field_name.lower() == name.lower()]

    def check_refused(self, url: str, identifier: str = "cust") -> None:
        """A raw call to this address is refused, and the provider sees nothing of it."""
        before = len(self.provider.server.requests)
        self.provider.server.plays(urlsplit(url).netloc)
        reply = self.raw(url, identifier=identifier)
        assert (reply.status_code, reply.json()["code"]) == (403, "destination_not_allowed")
        assert len(self.provider.server.requests) == before

    def users(self) -> dict[str, str]:
        """The connected users and their statuses."""
        rows = self.call("GET", f"/api/saas-org-user/get-users/{self.slug}").json()["userForeignIdentifiers"]
        return {row["userForeignIdentifier"]: row["status"] for row in rows}

    def is_connected(self, identifier: str = "cust") -> bool:
        params = {"userForeignIdentifier": identifier}
        reply = self.call("GET", f"/api/saas-org-user/get-user/{self.slug}", params=params)
        assert reply.json()["data"] == identifier
        return bool(reply.json()["connected"])

    def delete(self, identifier: str = "cust") -> list[str]:
        """Delete the user, then let a worker tell the provider; what came of that."""
        form = {"userForeignIdentifier": identifier}
        reply = self.call("DELETE", f"/api/saas-org-user/delete-user/{self.slug}", data=form)
        assert reply.json() == {"message": "User Deleted", "appSlug": self.slug, **form}, reply.text
        return [str(tasks.carry_out_revocation(revocation)) for revocation in self.queued]

    def account(self, uuid: str) -> Json:
        """The provider's account, from the native API: StackGo's answers have no place for it."""
        found: Json = self.call("GET", f"/api/v1/connections/{uuid}").json()["providerAccount"]
        return found

    def here(self, url: str) -> str:
        """A public address of the platform where this test serves it."""
        assert url.startswith(f"{settings.PUBLIC_URL}/")
        return f"{self.base}{url.removeprefix(settings.PUBLIC_URL)}"


def signed(callback: Mapping[str, str], *, secret: str = SECRET) -> str:
    """Shopify's signature: HMAC-SHA256 over the other parameters in the order of their names."""
    message = "&".join(f"{name}={value}" for name, value in sorted(callback.items()))
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def row(uuid: str) -> Connection:
    return Connection.objects.select_related("integration", "client__integration").get(pk=uuid)


@pytest.fixture
def platform(transactional_db: Any) -> Iterator[Served]:
    with served() as running:
        yield running


MakeApp = Callable[[Connector], App]


@pytest.fixture
def app(
    provider_server: ProviderServer, platform: Served, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeApp]:
    """app(connector): staff have made its integration by the command, and the app holds a token of /oauth/token."""
    queued: list[str] = []
    monkeypatch.setattr(
        tasks.carry_out_revocation, "apply_async", lambda **call: queued.append(call["args"][0])
    )
    monkeypatch.setenv("PATCHBAY_CLIENT_SECRET", SECRET)

    def make(connector: Connector) -> App:
        slug, base = f"{connector.provider}-dev", f"http://localhost:{platform.port}"
        options = [f"--scope={scope}" for scope in connector.scopes]
        options += [f"--config={pair}" for pair in connector.config]
        given = ["--provider", connector.provider, "--slug", slug, "--client-id", connector.client_id]
        call_command("create_integration", *given, *options, "--use-anyway", verbosity=0)
        at = factories.world(of=Integration.objects.get(slug=slug))
        return App(base, connector, Provider(provider_server, connector), _token(base, at), queued)

    yield make
    plane.stop_thread()


def _token(base: str, at: World) -> str:
    form = {
        "grant_type": "client_credentials",
        "audience": "stackgo",
        "client_id": at.credential.client_id,
        "client_secret": at.new_credential.client_secret,
    }
    reply = requests.post(f"{base}/oauth/token", data=form, timeout=TIMEOUT_SECONDS)
    assert reply.status_code == 200, reply.text
    assert (reply.json()["token_type"], reply.json()["expires_in"]) == ("Bearer", 86400)
    return str(reply.json()["access_token"])
