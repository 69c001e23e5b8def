"""An integration that staff switched off: its connections can be seen and ended, and not used."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models.partner import Permission
from integrations.models import Connection
from integrations.models.connection import Status
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import Api, problem

CONNECTIONS = "/api/v1/connections"


@pytest.fixture
def switched_off(world: World) -> Connection:
    made = factories.connection(world)
    world.integration.is_enabled = False
    world.integration.save()
    return made


def test_no_token_is_handed_out(world: World, switched_off: Connection) -> None:
    reader = factories.credential(world.partner, world.integration, permissions=[Permission.TOKENS_READ])
    reply = Api(f"Bearer {reader.api_key}").get(f"{CONNECTIONS}/{switched_off.pk}/token")
    problem(reply, 404, "not_found")
    assert b"CAccessToken" not in reply.content


@pytest.mark.parametrize("act", ["refresh", "check"])
def test_the_provider_is_not_asked(api: Api, switched_off: Connection, sandbox: Any, act: str) -> None:
    problem(api.post(f"{CONNECTIONS}/{switched_off.pk}/{act}"), 404, "not_found")
    assert sandbox.control("GET", "/_control/requests") == []


def test_it_can_still_be_read_paused_and_ended(api: Api, switched_off: Connection) -> None:
    path = f"{CONNECTIONS}/{switched_off.pk}"
    assert api.get(path).json()["status"] == "active"
    assert api.post(f"{path}/pause").json()["status"] == "paused"
    assert api.delete(path).status_code == 204
    assert Connection.objects.get(pk=switched_off.pk).status == Status.DISCONNECTED
