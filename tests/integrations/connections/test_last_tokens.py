"""What the provider is told with: an access token that is alive, and whichever client secret is right."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import connections
from integrations.models import ClientCredentials, Connection, PendingRevocation
from integrations.provider_calls import Revoked
from sealing import Secret
from tests.factories import ACTOR
from tests.integrations.connections.test_disconnect import revocations
from tests.integrations.providers import test_procore, test_shopify
from tests.integrations.providers.conftest import disconnected, walk
from tests.integrations.tokens.conftest import MakeConnection, expire
from tests.provider_server import Answer

__all__ = ["walk"]
pytestmark = [pytest.mark.django_db, pytest.mark.db]
GONE = Answer({"error": "invalid_grant"}, status=400)


@pytest.fixture
def shop(walk: Any) -> Connection:
    made = walk("shopify", scopes=("read_products",))
    test_shopify.script(made.server)
    connection: Connection = test_shopify.connected(made)
    connection.server = made.server  # type: ignore[attr-defined]  # the test's own
    return connection


@pytest.fixture
def company(walk: Any) -> Connection:
    made = walk("procore")
    test_procore.script(made.server)
    connection: Connection = made.connected()
    connection.server = made.server  # type: ignore[attr-defined]  # the test's own
    return connection


def as_now(connection: Any) -> Connection:
    expire(connection.pk)
    return Connection.objects.get(pk=connection.pk)


def test_ref_32_where_the_access_token_is_the_credential_a_dead_one_is_renewed_first(shop: Any) -> None:
    assert disconnected(as_now(shop)) == "confirmed"
    (call,) = shop.server.received(test_shopify.UNINSTALL)
    assert call.header("X-Shopify-Access-Token") == "shpat-2"


def test_ref_32_where_the_access_token_is_what_is_revoked_a_dead_one_is_renewed_first(company: Any) -> None:
    """Procore answers 200 to a token that it does not know, and the grant would live on."""
    assert disconnected(as_now(company)) == "confirmed"
    (call,) = company.server.received(test_procore.REVOKE)
    assert call.form["token"] == "pc-access-2"


def test_a_token_that_died_while_the_provider_was_down_is_renewed_too(company: Any) -> None:
    company.server.on("POST", test_procore.REVOKE, Answer(b"", status=503), {})
    ended = connections.disconnect(Connection.objects.get(pk=company.pk), actor=ACTOR)
    assert ended is not None
    assert connections.carry_out_revocation(ended) is None
    PendingRevocation.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert connections.carry_out_revocation(ended) == Revoked.CONFIRMED
    assert [call.form["token"] for call in company.server.received(test_procore.REVOKE)] == [
        "pc-access-1",
        "pc-access-2",
    ]


def test_a_renewed_pair_is_kept_when_telling_fails(company: Any) -> None:
    company.server.on("POST", test_procore.REVOKE, Answer(b"", status=503), {})
    ended = connections.disconnect(as_now(company), actor=ACTOR)
    assert ended is not None
    assert connections.carry_out_revocation(ended) is None
    row = PendingRevocation.objects.get()
    assert row.refresh_token is not None
    assert row.refresh_token.open().reveal() == "pc-refresh-2"
    assert connections.carry_out_revocation(ended) == Revoked.CONFIRMED


def test_a_grant_that_is_found_gone_on_the_way_has_ended(company: Any) -> None:
    company.server.on("POST", test_procore.TOKEN, GONE)
    assert disconnected(as_now(company)) == "confirmed"
    assert company.server.received(test_procore.REVOKE) == []


def test_ref_32_a_rejected_credential_is_no_proof_that_the_grant_has_ended(shop: Any) -> None:
    shop.server.on("DELETE", test_shopify.UNINSTALL, Answer({"errors": "invalid_token"}, status=401))
    assert disconnected(Connection.objects.get(pk=shop.pk)) == "failed"


def test_either_secret_revokes_while_one_is_being_rotated(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected()
    client = ClientCredentials.objects.get()
    client.next_client_secret = client.client_secret.open() if client.client_secret else None
    client.client_secret = Secret("the one that HubSpot has dropped")
    client.save()
    ended = connections.disconnect(made, actor=ACTOR)
    assert ended is not None
    assert connections.carry_out_revocation(ended) == Revoked.CONFIRMED
    assert len(revocations(at_sandbox)) == 2


def test_a_wrong_client_secret_is_tried_again_when_staff_have_corrected_it(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    client = ClientCredentials.objects.get()
    right = client.client_secret.open() if client.client_secret else None
    client.client_secret = Secret("a wrong one")
    client.save()
    ended = connections.disconnect(made, actor=ACTOR)
    assert ended is not None
    assert connections.carry_out_revocation(ended) is None
    client.client_secret = right
    client.save()
    assert connections.carry_out_revocation(ended) == Revoked.CONFIRMED
