"""A partner, its customer and the served platform, with one real server as the provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import requests
from django.utils import timezone

from integrations import connect, connections, setup, tokens
from integrations.connect import LinkRequest, NewLink
from integrations.models import Connection, PendingRevocation
from integrations.provider_calls import Revoked
from integrations.setup import IntegrationValues
from sealing import Secret
from tests.contract.outside import TIMEOUT_SECONDS
from tests.factories import ACTOR, World
from tests.proxy.calls import wait_until_seen
from tests.servers.real import App, RealServer
from tests.servers.visitor import Visitor

CUSTOMER = "tenant 42"


@dataclass
class Scene:
    """One integration of the server's entry, whose app is registered there."""

    server: RealServer
    world: World
    app: App
    home: str
    visitor: Visitor = field(repr=False)

    # the customer

    def link(self, customer: str = CUSTOMER) -> NewLink:
        wanted = LinkRequest(foreign_identifier=customer)
        return connect.create_link(self.world.partner, self.world.integration, wanted, actor=ACTOR)

    def come_back(self, url: str) -> str:
        """Open a callback; the page's text, with its outcome in `data-outcome`."""
        page = self.visitor.open(url)
        assert page.headers["Cache-Control"] == "no-store"
        return page.text

    def connect(self, customer: str = CUSTOMER) -> Connection:
        """Link, confirm page, the server's login and consent, callback; the connection is then active."""
        new = self.link(customer)
        page = self.come_back(self.server.consent(self.visitor, self.visitor.leave(new.url)))
        assert 'data-outcome="connected"' in page, page
        connection = Connection.objects.get(pk=new.link.connection_id)
        assert connection.status == "active"
        return connection

    # the partner

    def api(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """A call of the platform over the wire, with the partner's key."""
        headers = {"Authorization": f"Bearer {self.world.api_key}"}
        kwargs = {"timeout": TIMEOUT_SECONDS, "allow_redirects": False, "headers": headers, **kwargs}
        return requests.request(method, f"{self.home}{path}", **kwargs)

    def call(self, customer: str = CUSTOMER) -> requests.Response:
        """The server's API through the proxy: who is this?"""
        return self.api("GET", f"/proxy/{self.world.integration.slug}/{customer}{self.server.whoami}")

    # staff and time

    def change_secret(self, secret: str) -> None:
        """What staff type into the integration's form."""
        setup.update(
            self.world.integration, values_of(App(self.app.client_id, secret), self.server), actor=ACTOR
        )
        self.world.client.refresh_from_db()

    def let_token_expire(self, connection: Connection) -> None:
        passed = timezone.now() - timedelta(seconds=5)
        Connection.objects.filter(pk=connection.pk).update(
            access_token_expires_at=passed, refresh_not_before=None
        )
        wait_until_seen()

    def tokens_of(self, connection: Connection) -> dict[str, str]:
        """The stored pair, opened."""
        connection.refresh_from_db()
        return tokens.open_tokens(connection)

    def carry_out_revocation(self) -> Revoked | None:
        """What the worker does after a disconnect."""
        return connections.carry_out_revocation(PendingRevocation.objects.get().pk)


def values_of(app: App, server: RealServer) -> IntegrationValues:
    """What staff type for that app."""
    return IntegrationValues(
        client_id=app.client_id, client_secret=Secret(app.client_secret), required_scopes=server.scopes
    )
