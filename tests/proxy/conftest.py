from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.models import Connection
from proxy import plane
from tests import factories
from tests.egress.servers import Handler, Server
from tests.factories import World
from tests.proxy.servers import Served, served

API = "https://api.hubapi.com"
TOKEN = "CAccessToken-of-a-test-0123456789"
Serve = Callable[..., Server]


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.fixture
def provider(settings: Any) -> Iterator[Serve]:
    """Start a provider of one's own words and map HubSpot's API, or another origin, to it."""
    servers: list[Server] = []
    settings.UPSTREAM_MAP = {}

    def start(handler: Handler, *, origin: str = API) -> Server:
        server = Server(handler)
        servers.append(server)
        settings.UPSTREAM_MAP = settings.UPSTREAM_MAP | {origin: f"http://127.0.0.1:{server.port}"}
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def at(transactional_db: Any) -> Iterator[World]:
    """A partner with the HubSpot integration `hbdev`, committed, so that other threads see it."""
    yield factories.world()
    plane.stop_thread()  # it writes last uses when it closes


@pytest.fixture
def cust(at: World) -> Connection:
    """Its customer `cust`, connected."""
    return factories.connection(at, "cust", access_token=TOKEN)


@pytest.fixture
def platform(transactional_db: Any) -> Iterator[Served]:
    with served() as running:
        yield running
