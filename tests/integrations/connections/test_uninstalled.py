"""A customer who takes the app off at HubSpot: noticed at the next refresh, told once, shown to everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Event
from integrations import connect, connections, tasks, tokens
from integrations.errors import ReconnectRequired
from integrations.models import Connection
from integrations.models.connection import REASONS, Status
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.admin.conftest import boss, staff
from tests.integrations.connect.conftest import HUBSPOT_TOKEN, play_hubspot
from tests.integrations.tokens.conftest import MakeConnection, expire, refreshes
from tests.provider_server import Answer, ProviderServer

__all__ = ["boss", "staff"]
pytestmark = [pytest.mark.django_db, pytest.mark.db]
HUB = 62515
END = pytest.mark.parametrize("end", ["revoke", "uninstall"])


def by_use(made: Connection) -> None:
    with pytest.raises(ReconnectRequired):
        tokens.ensure_fresh(made.pk)


def by_beat(made: Connection) -> None:
    Connection.objects.filter(pk=made.pk).update(next_refresh_at=timezone.now())
    assert tasks.refresh_connection(str(made.pk)) is False


def by_check(made: Connection) -> None:
    with pytest.raises(ReconnectRequired):
        connections.check(made)


def by_rejection(made: Connection) -> None:
    """What the proxy does when the provider answers a call with 401."""
    with pytest.raises(ReconnectRequired):
        tokens.ensure_fresh(made.pk, rejected_version=made.token_version)


def told(made: Connection) -> list[str]:
    return list(
        Event.objects.filter(connection_id=made.pk).order_by("occurred_at").values_list("type", flat=True)
    )


@END
@pytest.mark.parametrize("notice", [by_use, by_beat, by_check, by_rejection])
def test_the_next_refresh_notices_tells_once_and_asks_no_more(
    connected: MakeConnection, at_sandbox: Any, end: str, notice: Callable[[Connection], None]
) -> None:
    made = connected(expired=True)
    at_sandbox.control("POST", f"/_control/{end}", {"hubId": HUB})
    notice(made)
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.status_reason) == (Status.RECONNECT_REQUIRED, "revoked_at_provider")
    assert "BAD_REFRESH_TOKEN" in row.status_evidence or "invalid_grant" in row.status_evidence
    by_use(row)
    by_check(row)
    assert told(made) == ["connection.created", "connection.reconnect_required"]
    assert len(refreshes(at_sandbox)) == 1


@END
def test_a_check_notices_though_the_access_token_is_young(
    connected: MakeConnection, at_sandbox: Any, end: str
) -> None:
    """HubSpot's access tokens outlive the grant: the account would still answer."""
    made = connected()
    at_sandbox.control("POST", f"/_control/{end}", {"hubId": HUB})
    by_check(made)
    assert Connection.objects.get(pk=made.pk).status_reason == "revoked_at_provider"


def test_a_check_of_a_grant_that_lives_refreshes_once(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected()
    assert connections.check(made).status == Status.ACTIVE
    assert len(refreshes(at_sandbox)) == 1
    expire(made.pk)
    connections.check(made)
    assert len(refreshes(at_sandbox)) == 2


def test_a_check_is_no_verdict_while_the_token_endpoint_is_down(
    world: World, provider_server: ProviderServer
) -> None:
    made = factories.connection(world)
    play_hubspot(provider_server, Answer(b"", status=503))
    assert connections.check(made).status == Status.ACTIVE
    assert len(provider_server.received(HUBSPOT_TOKEN)) >= 1
    assert told(made) == []


def test_partner_customer_and_staff_are_shown_why(
    connected: MakeConnection, at_sandbox: Any, world: World, boss: Client, client: Client
) -> None:
    made = connected(expired=True)
    at_sandbox.control("POST", "/_control/uninstall", {"hubId": HUB})
    by_use(made)
    sentence = REASONS["revoked_at_provider"]
    shown = client.get(f"/api/v1/connections/{made.pk}", **world.auth).json()
    assert shown["statusReason"] == {"code": "revoked_at_provider", "message": sentence}
    assert shown["reconnectUrl"]
    staff_page = boss.get(reverse("admin:integrations_connection_change", args=[made.pk])).content.decode()
    assert sentence in staff_page and "BAD_REFRESH_TOKEN" in staff_page
    _, url = connect.create_manage_link(world.partner, "customer-1", actor=ACTOR)
    own_page = client.get(url, headers={"Accept": "text/html"}).content.decode()
    assert sentence in own_page and "BAD_REFRESH_TOKEN" not in own_page
