"""A connect link and a browser that walks it against the served sandbox."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client

from accounts.models import Partner
from integrations import catalogue, connect
from integrations.catalogue import registry
from integrations.connect import Finished, LinkRequest, NewLink
from integrations.models import ClientCredentials, Connection, Integration, IntegrationScope
from sealing import Secret
from tests import factories
from tests.factories import ACTOR, CLIENT_ID, CLIENT_SECRET, World
from tests.integrations.catalogue.entry import DELETED, changed, with_facts, write_entry
from tests.integrations.pages.conftest import press_continue
from tests.provider_server import ProviderServer

STARTER, ENTERPRISE = 62515, 1512050


@dataclass
class Browser:
    """One browser: its cookie, the URL it was sent to, and the query that came back."""

    secret: str = field(default_factory=connect.new_browser_secret)

    def leave(self, new: NewLink, **values: str) -> str:
        """Press the confirm page's button; the provider's URL."""
        link = connect.find_link(urlsplit(new.url).path.rsplit("/", 1)[1])
        return connect.start(link, browser_secret=self.secret, values=values).authorization_url

    def consent(self, url: str, *, decision: str = "allow", hub_id: int = STARTER) -> str:
        """Decide at the provider; the query string that the callback gets."""
        form = {"hubId": str(hub_id), "decision": decision}
        reply = requests.post(url, data=form, allow_redirects=False, timeout=10)
        assert reply.status_code == 302, reply.text
        return urlsplit(reply.headers["Location"]).query

    def come_back(self, query: str, slug: str = "hbdev") -> Finished:
        return connect.finish(slug, query, browser_secret=self.secret)

    def walk(self, new: NewLink, **decision: Any) -> Finished:
        """From the link to the result."""
        return self.come_back(self.consent(self.leave(new), **decision))


def parameters(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


@pytest.fixture
def browser() -> Browser:
    return Browser()


MakeLink = Callable[..., NewLink]


@pytest.fixture
def make_link(world: World) -> MakeLink:
    def make(identifier: str = "customer-1", **request: Any) -> NewLink:
        wanted = LinkRequest(foreign_identifier=identifier, **request)
        return connect.create_link(world.partner, world.integration, wanted, actor=ACTOR)

    return make


@pytest.fixture
def at_sandbox(world: World, sandbox: Any) -> Any:
    """The sandbox, knowing the integration's app."""
    world.register_at(sandbox)
    return sandbox


def connection_of(new: NewLink) -> Connection:
    return Connection.objects.get(pk=new.link.connection_id)


@dataclass
class Web:
    """The same customer in front of the served pages: a browser that keeps cookies and checks CSRF."""

    client: Client = field(
        default_factory=lambda: Client(
            enforce_csrf_checks=True, headers={"Accept": "text/html,application/xhtml+xml"}
        )
    )

    def leave(self, new: NewLink) -> str:
        """Press the confirm page's button; the provider's URL on the leaving page."""
        page = press_continue(self.client, urlsplit(new.url).path)
        assert page.status_code == 200, page.content
        found = re.search(rb'http-equiv="refresh" content="0; url=([^"]+)"', page.content)
        assert found, page.content
        return html.unescape(found[1].decode())

    def come_back(self, query: str, *, slug: str = "hbdev", **headers: str) -> Any:
        """GET the callback; the response, which must not be stored anywhere."""
        reply = self.client.get(f"/oauth/{slug}/callback?{query}", headers=headers)
        assert reply["Cache-Control"] == "no-store"
        return reply


@pytest.fixture
def web() -> Web:
    return Web()


HUBSPOT_TOKEN = "https://api.hubapi.com/oauth/2026-09/token"
HUBSPOT_ACCOUNT = "https://api.hubapi.com/account-info/2026-09/details"


def play_hubspot(server: ProviderServer, *token_answers: Any) -> None:
    """Script HubSpot's token endpoint, beside the account 62515 that every token then belongs to."""
    server.on("POST", HUBSPOT_TOKEN, *token_answers)
    server.on("GET", HUBSPOT_ACCOUNT, {"portalId": STARTER, "uiDomain": "app.hubspot.com"})
    owner = {"active": True, "hub_id": STARTER, "hub_domain": "meowmix.com", "user": "a@meowmix.com"}
    server.on("POST", f"{HUBSPOT_TOKEN}/introspect", owner)


def state_of(url: str) -> str:
    return parameters(url)["state"][0]


def outcome_of(page: Any) -> str:
    """The outcome that the result page shows."""
    assert page.status_code == 200, page.content
    return str(page.content.decode().split('data-outcome="')[1].split('"')[0])


MakeEntry = Callable[..., str]


@pytest.fixture
def make_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeEntry:
    """make_entry(id, **oauth) adds a provider to the catalogue for one test, at login.<id>.example and
    api.<id>.example; oauth are changes to a plain OAuth part, identity and revocation its parts of that name.
    Returns the id."""

    def make(
        provider_id: str,
        *,
        scopes: Iterable[str] = ("read",),
        identity: list[Any] | None = None,
        revocation: Any = DELETED,
        **oauth: Any,
    ) -> str:
        login, api = f"https://login.{provider_id}.example", f"https://api.{provider_id}.example"
        plain = {
            "authorization_endpoint": f"{login}/authorize",
            "token_endpoint": f"{login}/token",
            "token_endpoint_auth_method": "client_secret_post",
            "pkce": "optional",
            "scope": {},
            "expects_refresh_token": False,
        }
        document = changed(
            (("id",), provider_id),
            (("connection_fields",), DELETED),
            (("revocation",), revocation),
            (("oauth",), {**plain, **oauth}),
            (("api",), {"base_url": api, "hosts": [f"api.{provider_id}.example"]}),
            (("identity",), identity or [{"url": f"{api}/me", "account_id": "id", "name": "name"}]),
        )
        document["scopes"] = [{"name": name, "meaning": name, "group": "Any"} for name in scopes]
        write_entry(tmp_path, with_facts(document), name=f"{provider_id}.yaml")
        catalogue.get("hubspot")
        monkeypatch.setitem(registry._loaded, None, {**registry._loaded[None], **catalogue.load(tmp_path)})
        return provider_id

    return make


MakeIntegration = Callable[..., Integration]


@pytest.fixture
def make_integration(db: Any) -> MakeIntegration:
    """make_integration(slug, provider_id, scopes, optional_scopes) with the usual client."""

    def make(
        slug: str, provider_id: str, scopes: Iterable[str] = (), optional_scopes: Iterable[str] = ()
    ) -> Integration:
        made = Integration.objects.create(slug=slug, provider_id=provider_id)
        ClientCredentials.objects.create(
            integration=made, client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET)
        )
        for is_optional, names in ((False, scopes), (True, optional_scopes)):
            for name in names:
                IntegrationScope.objects.create(integration=made, scope=name, is_optional=is_optional)
        return made

    return make


def link_to(integration: Integration, identifier: str = "customer-1", **request: Any) -> NewLink:
    """A link of a partner named Acme to any integration."""
    owner = Partner.objects.filter(name="Acme").first() or factories.partner()
    wanted = LinkRequest(foreign_identifier=identifier, **request)
    return connect.create_link(owner, integration, wanted, actor=ACTOR)


@pytest.fixture
def ends_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """HubSpot, were a revocation to end every grant of the account, as it does at Pipedrive or QuickBooks."""
    entry = catalogue.get("hubspot")
    assert entry.revocation is not None
    changed = replace(entry, revocation=replace(entry.revocation, shared_by_account=True))
    monkeypatch.setitem(registry._loaded, None, {**registry._loaded[None], "hubspot": changed})
