"""The ways to a connection: a customer's consent, and for kinds that nobody can connect yet a row made by hand.

WAYS says which kinds the set connects as a customer would. An entry of another kind whose row is made by hand is
named at the end of each run, and fails as soon as the platform says that it can connect it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from unittest import mock
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from integrations import catalogue, connect, provider_calls
from integrations.catalogue import Provider
from integrations.connect import Finished, LinkRequest
from integrations.connections.identity import identity_columns
from integrations.models import Connection
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.connect.conftest import Browser
from tests.integrations.contract_set.placeholders import filled
from tests.integrations.providers.conftest import CLIENT_SECRET
from tests.provider_server import Received

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
class Row:
    """A row made by hand, with the credential that the entry makes of what a customer would type."""

    visit: Visit

    def connected(self) -> Connected:
        visit = self.visit
        stage, replies = visit.stage, visit.replies
        credential = credential_of(
            visit.provider, {**replies.mapping("connection"), **replies.mapping("secrets")}
        )
        at = World(
            stage.at.partner, stage.at.new_credential, visit.integration, visit.integration.current_client()
        )
        made = factories.connection(
            at,
            CUSTOMER,
            access_token=credential or visit.values["ACCESS_TOKEN"],
            refresh_token=None,
            expires_in=None,
            connection_config=replies.mapping("connection"),
            captured=replies.mapping("captured"),
        )
        with visit.world():
            visit.script(*replies.items("identity"))
            identity = provider_calls.identify(
                visit.provider,
                client=visit.client(),
                tokens={"access_token": credential or visit.values["ACCESS_TOKEN"]},
                values=made.config_values(),
            )
        Connection.objects.filter(pk=made.pk).update(**identity_columns(identity))
        return Connected(made.pk, [], visit.requests())


def credential_of(provider: Provider, typed: Mapping[str, str]) -> str:
    """What is kept of the values that a customer typed; "" for a kind that asks for none."""
    if not provider.connection_secrets:
        return ""
    default = "{username}:{password}" if provider.auth_kind == "basic" else "{api_key}"
    return catalogue.render(provider.secret_template or default, typed)


WAYS: dict[str, Callable[[Visit], Way]] = {"oauth2_code": Consent}


def way_of(visit: Visit) -> Way:
    return WAYS.get(visit.provider.auth_kind, Row)(visit)
