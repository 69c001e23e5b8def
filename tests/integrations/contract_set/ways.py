"""The ways to a connection, one for each kind of provider: WAYS says how the set connects it as a customer would."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from unittest import mock
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from integrations import catalogue, connect
from integrations.connect import Finished, LinkRequest
from integrations.oauth.oauth1 import TokenPair
from tests.factories import ACTOR
from tests.integrations.connect.conftest import Browser
from tests.integrations.contract_set import signed
from tests.integrations.contract_set.placeholders import filled
from tests.integrations.providers.conftest import CLIENT_SECRET
from tests.provider_server import Answer, Received

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integrations.contract_set.visit import Visit

CUSTOMER = "customer-1"
CODE = "the-code/of=one+run"


@dataclass
class Connected:
    """The connection that was made, with the calls that led to it, told apart by what they were for."""

    connection_id: UUID
    token_calls: list[Received]
    identity_calls: list[Received]
    warning: str = ""


class Way(Protocol):
    """One way to a connection, for one visit."""

    def connected(self) -> Connected:
        """Connect. Raises AssertionError when that is refused."""


@dataclass
class Left:
    """The authorize URL that the browser was sent to, and the request that was pushed ahead, if one was."""

    url: str
    params: dict[str, str]
    pushed: list[Received]


@dataclass
class Consent:
    """A customer leaves for the provider and comes back with a code."""

    visit: Visit
    link: Any = None
    _left: Left | None = None
    _browser: Browser = field(default_factory=Browser)

    def left(self) -> Left:
        """The customer pressed the button."""
        if self._left is None:
            self._left = self._leave()
        return self._left

    def _leave(self) -> Left:
        visit = self.visit
        pushed = visit.replies.call("pushed")
        with ExitStack() as stack:
            if pushed is None:
                # The browser's own way is not mapped to anywhere.
                stack.enter_context(visit.stage.serving(visit.provider))
                stack.enter_context(visit.stage.answering())
                visit.stage.server.requests.clear()
            else:
                stack.enter_context(visit.world())
                stack.enter_context(mock.patch("egress.upstream_map.public_location", str))
                visit.script(pushed)
            request = LinkRequest(foreign_identifier=CUSTOMER)
            self.link = connect.create_link(visit.stage.at.partner, visit.integration, request, actor=ACTOR)
            url = self._browser.leave(self.link, **visit.replies.mapping("connection"))
        params = _pairs(urlsplit(url).query)
        calls = visit.requests()
        known = {**params, **(calls[0].form if calls else {})}
        names = {"STATE": "state", "CHALLENGE": "code_challenge"}
        visit.values |= {place: known.get(name, "") for place, name in names.items()}
        return Left(url, params, calls)

    def connected(self) -> Connected:
        visit = self.visit
        self.left()
        with visit.world():
            visit.script(*visit.token_calls(), *visit.replies.items("identity"))
            finished = self.come_back(visit.replies.mapping("callback"))
        said = (finished.outcome, finished.reason, finished.detail)
        assert finished.outcome == "connected", f"the customer could not connect: {said}"
        calls, count = visit.requests(), len(visit.token_calls())
        return Connected(self.link.link.connection_id, calls[:count], calls[count:], finished.warning)

    def come_back(self, more: Mapping[str, str]) -> Finished:
        """The callback's outcome; more are the parameters beside code and state."""
        self.left()
        values = self.visit.values
        parameters = {"code": CODE, "state": values["STATE"], **filled(dict(more), values)}
        query = urlencode(self._signed(parameters))
        return self._browser.come_back(query, slug=self.visit.integration.slug)

    def _signed(self, parameters: dict[str, str]) -> dict[str, str]:
        """As Shopify's pages say, over the sorted parameters, where the file says so."""
        if self.visit.replies.document.get("callback_signature") != "shopify" or "hmac" in parameters:
            return parameters
        message = "&".join(f"{name}={quote(parameters[name], safe=':/')}" for name in sorted(parameters))
        digest = hmac.new(CLIENT_SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()
        return {**parameters, "hmac": digest}


def _pairs(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a parameter of the authorize URL is there twice"
    return dict(pairs)


@dataclass
class Typed:
    """A customer types what the provider has given to him, or presses the button where there is nothing to type."""

    visit: Visit

    def connected(self) -> Connected:
        visit = self.visit
        replies = visit.replies
        request = LinkRequest(foreign_identifier=CUSTOMER)
        new = connect.create_link(visit.stage.at.partner, visit.integration, request, actor=ACTOR)
        fetches = visit.provider.auth_kind == "oauth2_client_credentials"
        token_calls = visit.token_calls() if fetches else []
        with visit.world():
            visit.script(*token_calls, *replies.items("identity"))
            finished = connect.submit(
                connect.find_link(urlsplit(new.url).path.rpartition("/")[2]),
                browser_secret=connect.new_browser_secret(),
                values=replies.mapping("connection"),
                secrets=replies.mapping("secrets"),
            )
        said = (finished.outcome, finished.reason, finished.detail)
        assert finished.outcome == "connected", f"the customer could not connect: {said}"
        calls, count = visit.requests(), len(token_calls)
        return Connected(new.link.connection_id, calls[:count], calls[count:], finished.warning)


@dataclass
class SignedIn:
    """A customer leaves with a temporary token of OAuth 1.0a and comes back with a verifier."""

    visit: Visit

    def connected(self) -> Connected:
        visit = self.visit
        rules, browser = visit.provider.oauth1, Browser()
        assert rules is not None
        visit.values["TOKEN_SECRET"] = "secret/of+the=token"
        temporary = TokenPair("temporary/token", "temporary-secret", {})
        granted = TokenPair(visit.values["ACCESS_TOKEN"], visit.values["TOKEN_SECRET"])
        request = LinkRequest(foreign_identifier=CUSTOMER)
        new = connect.create_link(visit.stage.at.partner, visit.integration, request, actor=ACTOR)
        with visit.world(), mock.patch("egress.upstream_map.public_location", str):
            visit.script(*visit.replies.items("identity"))
            confirmed = f"{temporary.stored()}&oauth_callback_confirmed=true"
            server, values = visit.stage.server, visit.integration.connection_config
            for endpoint, answer in (
                (rules.request_token_endpoint, confirmed),
                (rules.access_token_endpoint, granted.stored()),
            ):
                server.on("POST", catalogue.render_url(visit.provider, endpoint, values), Answer(answer))
            left = browser.leave(new, **visit.replies.mapping("connection"))
            assert _pairs(urlsplit(left).query)["oauth_token"] == temporary.token
            callback = urlsplit(signed.told(visit.requests()[0])["oauth_callback"])
            back = {"oauth_token": temporary.token, "oauth_verifier": CODE}
            finished = browser.come_back(f"{callback.query}&{urlencode(back)}", slug=visit.integration.slug)
        said = (finished.outcome, finished.reason, finished.detail)
        assert finished.outcome == "connected", f"the customer could not connect: {said}"
        calls = visit.requests()
        return Connected(new.link.connection_id, calls[:2], calls[2:], finished.warning)


WAYS: dict[str, Callable[[Visit], Way]] = {
    "oauth2_code": Consent,
    "oauth2_client_credentials": Typed,
    "api_key": Typed,
    "basic": Typed,
    "oauth1": SignedIn,
}


def way_of(visit: Visit) -> Way:
    return WAYS[visit.provider.auth_kind](visit)
