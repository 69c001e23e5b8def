"""A partner whose customer has connected a vendor, and the served platform between them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests import factories
from tests.factories import World
from tests.provider_server import Answer, ProviderServer
from tests.proxy.conftest import _collector_as_it_was, at, platform  # noqa: F401  # fixtures
from tests.proxy.servers import Served
from tests.sandbox.consent import code_for, exchange
from tests.sdks import page, tls
from tests.sdks.vendor import FIRST, REFRESH, Vendor

#: what a base URL has to stand: every character needs its percent-encoding
IDENTIFIER = "acme & sons/42"


@dataclass
class Partner:
    """Who uses an SDK: the key, and the customer's address here."""

    key: str
    proxy_url: str

    @classmethod
    def of(cls, served: Served, world: World) -> Partner:
        address = f"http://127.0.0.1:{served.port}/proxy/{world.integration.slug}"
        return cls(world.api_key, f"{address}/{quote(IDENTIFIER, safe='')}")

    @contextlib.contextmanager
    def behind_tls(self, folder: Path) -> Iterator[Path]:
        """For the time of the block `proxy_url` is one of https; yields the file of the certificate."""
        plain = self.proxy_url
        origin, _, path = plain.partition("/proxy/")
        certificate = tls.certificate(folder)
        with tls.before(int(origin.rpartition(":")[2]), certificate) as port:
            self.proxy_url = f"https://localhost:{port}/proxy/{path}"
            try:
                yield certificate
            finally:
                self.proxy_url = plain

    def sdk(self, package: str) -> dict[str, Any]:
        """What the page's lines make of these two."""
        return page.run(package, proxy_url=self.proxy_url, key=self.key)


@pytest.fixture
def at_hubspot(platform: Served, at: World, sandbox: Any) -> Partner:  # noqa: F811
    """A partner whose customer has consented at the sandbox, to files as well."""
    app = {
        "clientId": at.client.client_id,
        "clientSecret": factories.CLIENT_SECRET,
        "redirectUrls": [at.integration.redirect_uri],
        "scopes": [*factories.SCOPES, "files"],
    }
    sandbox.control("POST", "/_control/apps", app)
    granted = exchange(sandbox, app, code_for(sandbox, app)).json()
    factories.connection(
        at, IDENTIFIER, access_token=granted["access_token"], refresh_token=granted["refresh_token"]
    )
    return Partner.of(platform, at)


def limit_once(sandbox: Any, *, message: str = "slow down", headers: dict[str, str] | None = None) -> None:
    """The next call of the CRM meets HubSpot's 429."""
    body = {"status": "error", "message": message}
    fault = {"match": {"path": "/crm"}, "status": 429, "headers": headers or {}, "body": body}
    sandbox.control("POST", "/_control/faults", fault)


Connect = Callable[..., tuple[Vendor, Partner]]


@pytest.fixture
def connect(
    platform: Served,  # noqa: F811
    provider_server: ProviderServer,
    at: World,  # noqa: F811
) -> Iterator[Connect]:
    """Connect a customer with a vendor; afterwards see that key and token were kept apart."""
    used: list[tuple[Vendor, Partner]] = []

    def start(
        provider_id: str, origin: str, *, token_endpoint: str, expired: Answer, **captured: str
    ) -> tuple[Vendor, Partner]:
        integration = factories.integration(
            f"dev-{provider_id}", provider_id, client_id=f"client-{provider_id}"
        )
        world = factories.world("Beta", of=integration)
        factories.connection(world, IDENTIFIER, access_token=FIRST, refresh_token=REFRESH, captured=captured)
        vendor = Vendor(provider_server, origin, token_endpoint=token_endpoint, expired=expired)
        used.append((vendor, Partner.of(platform, world)))
        return used[-1]

    yield start
    for vendor, partner in used:
        vendor.require_kept_apart(partner.key)
