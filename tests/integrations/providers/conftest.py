"""One customer's walk through the connect flow of a provider that the test scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from integrations import connect, connections, tokens
from integrations.connect import Finished, LinkRequest, NewLink
from integrations.models import Connection, Integration, IntegrationScope
from sealing import Secret
from tests import factories
from tests.factories import ACTOR
from tests.integrations.connect.conftest import Browser
from tests.provider_server import ProviderServer, Received

#: both hold what a form has to encode; the field is that of RFC 6749 section 2.3.1, worked out by hand (TOK-14)
CLIENT_ID = "my app/1"
CLIENT_SECRET = "s+e=c:r%t"
BASIC = "Basic bXkrYXBwJTJGMTpzJTJCZSUzRGMlM0FyJTI1dA=="
REDIRECT_URI = "http://localhost:8000/oauth/{slug}/callback"


@dataclass
class Walk:
    """An integration of one provider, its server, and a customer's browser."""

    server: ProviderServer
    integration: Integration
    partner: Any
    browser: Browser = field(default_factory=Browser)
    state: str = ""
    new: NewLink | None = None

    @property
    def redirect_uri(self) -> str:
        return REDIRECT_URI.format(slug=self.integration.slug)

    def link(self, identifier: str = "customer-1", **request: Any) -> NewLink:
        wanted = LinkRequest(foreign_identifier=identifier, **request)
        return connect.create_link(self.partner, self.integration, wanted, actor=ACTOR)

    def leave(self, new: NewLink | None = None, **values: str) -> str:
        """Press the button; the authorize URL. The state is kept for the way back."""
        self.new = new or self.link()
        url = self.browser.leave(self.new, **values)
        self.state = dict(parse_qsl(urlsplit(url).query))["state"]
        return url

    def come_back(self, **query: str) -> Finished:
        """Come back with a code, the state of the last leaving, and what else the provider adds."""
        pairs = {"code": "the-code", "state": self.state, **query}
        return self.come_back_raw(urlencode(pairs))

    def come_back_raw(self, query: str) -> Finished:
        return self.browser.come_back(query, slug=self.integration.slug)

    def choose(self, finished: Finished, account: str = "") -> Finished:
        """Choose one of the accounts that the consent covers: the first, unless its id is given."""
        wanted = account or finished.accounts[0].account_id
        attempt = str(finished.attempt_id)
        return connect.choose(self.integration.slug, attempt, wanted, browser_secret=self.browser.secret)

    def connected(self, *, account: str = "", **query: str) -> Connection:
        """Leave, come back, choose the account where there are several; the connection, which must be active
        without any warning."""
        self.leave()
        finished = self.come_back(**query)
        if finished.outcome == "choosing":
            finished = self.choose(finished, account)
        assert (finished.outcome, finished.reason, finished.warning) == ("connected", "", "")
        return self.connection()

    def connection(self) -> Connection:
        assert self.new is not None
        found = Connection.objects.select_related("integration", "client__integration", "customer", "partner")
        return found.get(pk=self.new.link.connection_id)


@pytest.fixture
def walk(provider_server: ProviderServer, db: Any) -> Any:
    """walk(provider_id, scopes=…, **connection_config) makes a Walk."""

    def make(provider_id: str, *, scopes: tuple[str, ...] = (), **config: str) -> Walk:
        made = factories.integration(
            f"{provider_id}-dev", provider_id, client_id=CLIENT_ID, connection_config=config
        )
        client = made.current_client()
        client.client_secret = Secret(CLIENT_SECRET)
        client.save()
        for scope in scopes:
            IntegrationScope.objects.create(integration=made, scope=scope)
        return Walk(provider_server, made, factories.partner())

    return make


def check_authorize_url(
    url: str, endpoint: str, parameters: dict[str, str], *, has_pkce: bool, raw_scope: str | None
) -> None:
    """Exactly these parameters beside state and challenge, each once; raw_scope: the scope as it is on the wire."""
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == endpoint
    assert parts.fragment == ""
    assert url.count("?") == 1
    raw = [pair.partition("=") for pair in parts.query.split("&")]
    assert [value for name, _, value in raw if name == "scope"] == ([] if raw_scope is None else [raw_scope])
    pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    sent = dict(pairs)
    assert len(sent) == len(pairs)
    assert len(sent.pop("state")) >= 43
    sent.pop("scope", None)
    challenge = sent.pop("code_challenge", None)
    assert sent.pop("code_challenge_method", None) == ("S256" if has_pkce else None)
    assert (len(challenge or "") == 43) is has_pkce
    assert sent == {"response_type": "code", "client_id": CLIENT_ID, **parameters}


def check_token_call(
    request: Received, *, auth: str, body: str, has_verifier: bool = False, **expected: str
) -> None:
    """A call of the token endpoint: auth basic or post, body form or json, and exactly these members."""
    sent = request.json if body == "json" else request.form
    assert request.header("Accept") == "application/json"
    if auth == "basic":
        assert request.header("Authorization") == BASIC
    else:
        assert request.header("Authorization") is None
        assert (sent.pop("client_id"), sent.pop("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
    assert (len(sent.pop("code_verifier", "")) >= 43) is has_verifier
    assert sent == expected


def refreshed(connection: Connection) -> tuple[str, str]:
    """Refresh now; the pair (access token, refresh token) that is then stored."""
    return pair(tokens.refresh_now(connection.pk))


def pair(connection: Connection) -> tuple[str, str]:
    opened = tokens.open_tokens(connection)
    return opened["access_token"], opened["refresh_token"]


def disconnected(connection: Connection) -> str | None:
    """Disconnect and tell the provider; what came of the revocation, None when there is none to carry out."""
    revocation = connections.disconnect(connection, actor=ACTOR)
    return None if revocation is None else str(connections.carry_out_revocation(revocation))
