"""What every test stands on: no sockets beyond loopback, empty caches, and the rows of one partner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_socket
from django.core.cache import cache

from tests import database, factories
from tests.factories import World
from tests.provider_server import ProviderServer


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup() -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """pytest-django's place for it, before the database is made."""
    database.write_without_waiting()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        wanted = database.kept_rows()
    with database.emptied_quickly(wanted):
        yield


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def world(db: Any) -> World:
    """A partner with a credential that may use the HubSpot integration `hbdev`."""
    return factories.world()


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Any]:
    from sandbox.testing import running_sandbox

    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(_sandbox: Any, settings: Any) -> Iterator[Any]:
    """The HubSpot sandbox, served for real on loopback and reached through UPSTREAM_MAP; reset for each test."""
    settings.UPSTREAM_MAP = dict.fromkeys(factories.HUBSPOT_ORIGINS, _sandbox.url)
    _sandbox.control("POST", "/_control/reset", {})
    yield _sandbox
    _sandbox.control("POST", "/_control/reset", {})


@pytest.fixture
def provider_server(settings: Any) -> Iterator[ProviderServer]:
    """A server that a test scripts as any provider, reached through UPSTREAM_MAP."""
    server = ProviderServer()
    settings.UPSTREAM_MAP = server.upstream_map
    yield server
    server.close()
