"""A connection whose refresh token the served sandbox knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import connect
from integrations.connect import LinkRequest
from integrations.models import Connection
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.connect.conftest import Browser

MakeConnection = Callable[..., Connection]


@pytest.fixture
def at_sandbox(world: World, sandbox: Any) -> Any:
    world.register_at(sandbox)
    return sandbox


@pytest.fixture
def connected(world: World, at_sandbox: Any) -> MakeConnection:
    """Walk the flow, then forget the requests; expired=True moves the stored expiry into the past."""

    def make(identifier: str = "customer-1", *, expired: bool = False, hub_id: int = 62515) -> Connection:
        wanted = LinkRequest(foreign_identifier=identifier)
        new = connect.create_link(world.partner, world.integration, wanted, actor=ACTOR)
        assert Browser().walk(new, hub_id=hub_id).outcome == "connected"
        if expired:
            expire(new.link.connection_id)
        return Connection.objects.get(pk=new.link.connection_id)

    return make


REFRESH_TOKEN = "na1-1111-2222-3333-4444-refresh-of-a-test"


@pytest.fixture
def expired(world: World) -> Connection:
    """A connection that no sandbox knows and whose access token has ended; for scripted providers."""
    made = factories.connection(world, refresh_token=REFRESH_TOKEN)
    Connection.objects.filter(pk=made.pk).update(access_token_expires_at=timezone.now() - timedelta(hours=1))
    return Connection.objects.get(pk=made.pk)


def expire(connection_id: Any, *, seconds_ago: float = 10) -> None:
    """As if the access token had ended."""
    moment = timezone.now() - timedelta(seconds=seconds_ago)
    Connection.objects.filter(pk=connection_id).update(
        access_token_expires_at=moment, token_stored_at=moment - timedelta(minutes=30)
    )


def refreshes(sandbox: Any) -> list[dict[str, Any]]:
    """The refresh requests that reached the provider."""
    return [
        request
        for request in sandbox.control("GET", "/_control/requests?path=/oauth/")
        if "grant_type=refresh_token" in request["body"]
    ]


def fail_token_endpoint(sandbox: Any, *, times: int = 1, **fault: Any) -> None:
    """The next token calls go wrong."""
    match = {"method": "POST", "path": "/oauth/2026-09/token"}
    sandbox.control("POST", "/_control/faults", {"match": match, "times": times, **fault})
