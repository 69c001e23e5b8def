"""What all entries share: one partner, one served platform, one scripted server that plays every provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from unittest import mock
from urllib.parse import urlsplit

from django.test import override_settings

from integrations import catalogue
from integrations.catalogue import Provider, registry
from integrations.models import Integration
from sealing import Secret
from tests import factories
from tests.factories import World
from tests.integrations.providers.conftest import CLIENT_ID, CLIENT_SECRET
from tests.provider_server import ProviderServer
from tests.proxy.servers import Served, served


@dataclass
class Stage:
    """Made once; each visit to it has an integration of its own, so that nothing of another one is in its way."""

    server: ProviderServer
    platform: Served
    at: World
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @contextmanager
    def serving(self, provider: Provider) -> Iterator[None]:
        """The catalogue with this entry in place of the one of its id."""
        catalogue.all_providers()  # so that they are loaded
        with mock.patch.dict(registry._loaded[None], {provider.id: provider}):
            yield

    @contextmanager
    def answering(self, *hosts: str) -> Iterator[None]:
        """The world is these hosts alone, and all of them are the scripted server."""
        mapping = {f"https://{host}": self.server.url for host in hosts if host}
        with override_settings(UPSTREAM_MAP=mapping):
            yield

    def integration(self, provider: Provider, config: dict[str, str]) -> Integration:
        number = next(self.numbers)
        # A client of its own: several visits are to one account of the provider.
        client_id = f"{CLIENT_ID}&{number}"
        slug = f"{provider.id[:40]}-{number}"
        made = factories.integration(slug, provider.id, client_id=client_id, connection_config=config)
        client = made.current_client()
        client.client_secret = Secret(CLIENT_SECRET)
        client.save()
        made.scopes.all().delete()
        self.at.credential.integration_grants.create(integration=made)
        return made


@contextmanager
def opened() -> Iterator[Stage]:
    """The stage, on a database whose rows are committed and may be emptied afterwards."""
    server = ProviderServer()
    try:
        with served() as platform:
            yield Stage(server, platform, factories.world("Contract", "contract-of-hubspot"))
    finally:
        server.close()


def host_of(url: str) -> str:
    return urlsplit(url).netloc
