"""Several connections to one account at the provider: ending one must not end the others."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import connections, tokens
from integrations.connections import shared_grants
from integrations.models import Connection, PendingRevocation
from integrations.models.connection import Status
from integrations.provider_calls import Revoked
from sealing import seal
from tests import factories
from tests.factories import ACTOR, SCOPES, World
from tests.integrations.connect.conftest import Browser
from tests.integrations.connections.test_disconnect import REVOKE, revocations
from tests.integrations.tokens.conftest import MakeConnection, expire

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def end(connection: Connection) -> Revoked | None:
    revocation = connections.disconnect(connection, actor=ACTOR)
    return None if revocation is None else connections.carry_out_revocation(revocation)


def told(connection: Connection) -> list[str]:
    events = Event.objects.filter(type="connection.deleted", connection_id=connection.pk)
    return [event.data["revocation"] for event in events]


def evidence_of(connection: Connection) -> list[str]:
    entries = AuditEntry.objects.filter(action="connection.revoked", object_id=str(connection.pk))
    return [entry.changes["evidence"] for entry in entries]


def refresh_tokens(sandbox: Any, hub_id: int = 62515) -> int:
    rows = sandbox.control("GET", "/_control/state")["refreshTokens"]
    return sum(row["hubId"] == hub_id for row in rows)


def works(connection: Connection) -> bool:
    """Through a refresh and a call to the account: what a customer would notice."""
    expire(connection.pk)
    return connections.check(connection).status == Status.ACTIVE


def at_other_partner(world: World, sandbox: Any, *, slug: str = "hbtwo") -> World:
    """Another partner whose integration has the same client id at HubSpot."""
    other = factories.world("Globex", of=factories.integration(slug, client_id=world.client.client_id))
    redirects = [world.integration.redirect_uri, other.integration.redirect_uri]
    app = {"clientId": world.client.client_id, "clientSecret": factories.CLIENT_SECRET}
    known = {
        "redirectUrls": redirects,
        "scopes": list(SCOPES),
        "optionalScopes": list(factories.OPTIONAL_SCOPES),
    }
    sandbox.control("POST", "/_control/apps", {**app, **known})
    return other


def connect_at(world: World, identifier: str) -> Connection:
    from integrations import connect

    wanted = connect.LinkRequest(foreign_identifier=identifier)
    new = connect.create_link(world.partner, world.integration, wanted, actor=ACTOR)
    browser = Browser()
    assert (
        browser.come_back(browser.consent(browser.leave(new)), world.integration.slug).outcome == "connected"
    )
    return Connection.objects.get(pk=new.link.connection_id)


# --- a provider that takes one grant back -------------------------------------------------------------------
def test_at_hubspot_one_of_two_ends_and_the_other_works_on(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    first, second = connected("one"), connected("two")
    assert end(first) == Revoked.CONFIRMED
    assert works(second)
    assert end(second) == Revoked.CONFIRMED
    assert refresh_tokens(at_sandbox) == 0
    assert told(first) == told(second) == ["confirmed"]


def test_two_partners_with_the_same_app_and_account_end_apart(
    world: World, connected: MakeConnection, at_sandbox: Any
) -> None:
    mine, theirs = connected("one"), connect_at(at_other_partner(world, at_sandbox), "two")
    assert end(mine) == Revoked.CONFIRMED
    assert works(theirs)


def test_a_token_that_two_connections_hold_is_left_to_the_other(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    """Some providers hand out the same refresh token for a second consent to the same account."""
    first, second = connected("one"), connected("two")
    assert second.refresh_token is not None
    held = second.refresh_token.open()
    sealed = seal(held, model=Connection, field="refresh_token", pk=first.pk)
    Connection.objects.filter(pk=first.pk).update(refresh_token=sealed)
    assert end(Connection.objects.get(pk=first.pk)) == Revoked.UNSUPPORTED
    assert revocations(at_sandbox) == []
    assert evidence_of(first) == [shared_grants.SAME_TOKEN]
    assert works(second)
    assert end(Connection.objects.get(pk=second.pk)) == Revoked.CONFIRMED


# --- a provider that ends all grants of an account together -------------------------------------------------
def test_where_grants_end_together_the_last_one_revokes(
    ends_accounts: None, connected: MakeConnection, at_sandbox: Any
) -> None:
    first, second = connected("one"), connected("two")
    assert end(first) == Revoked.UNSUPPORTED
    assert revocations(at_sandbox) == []
    assert told(first) == ["unsupported"]
    assert evidence_of(first) == [shared_grants.SHARED_ACCOUNT]
    assert works(second)
    assert end(second) == Revoked.CONFIRMED
    assert len(revocations(at_sandbox)) == 1


def test_where_grants_end_together_another_account_counts_for_nothing(
    ends_accounts: None, connected: MakeConnection, at_sandbox: Any
) -> None:
    connected("one", hub_id=1512050)
    assert end(connected("two")) == Revoked.CONFIRMED


def test_two_that_end_at_the_same_moment_do_not_leave_it_to_each_other(
    ends_accounts: None, connected: MakeConnection, at_sandbox: Any
) -> None:
    first, second = connected("one"), connected("two")
    ended = [connections.disconnect(row, actor=ACTOR) for row in (first, second)]
    assert [connections.carry_out_revocation(pk) for pk in ended if pk] == [Revoked.CONFIRMED] * 2


def test_where_grants_end_together_the_account_of_another_partner_is_spared(
    ends_accounts: None, world: World, connected: MakeConnection, at_sandbox: Any
) -> None:
    mine, theirs = connected("one"), connect_at(at_other_partner(world, at_sandbox), "two")
    assert end(mine) == Revoked.UNSUPPORTED
    assert works(theirs)


def test_a_late_revocation_does_not_kill_the_connection_made_meanwhile(
    ends_accounts: None, connected: MakeConnection, at_sandbox: Any
) -> None:
    at_sandbox.control("POST", "/_control/faults", {"match": REVOKE, "times": 1, "status": 503, "body": ""})
    ended = connected()
    assert end(ended) is None
    again = connected()
    PendingRevocation.objects.update(next_attempt_at=timezone.now())
    assert connections.carry_out_revocation(PendingRevocation.objects.get().pk) == Revoked.UNSUPPORTED
    assert len(revocations(at_sandbox)) == 1
    assert told(ended) == ["unsupported"]
    assert works(again)


def test_an_account_that_is_not_known_may_be_the_one_that_others_use(
    ends_accounts: None, connected: MakeConnection, at_sandbox: Any
) -> None:
    kept, unknown = connected("one"), connected("two")
    Connection.objects.filter(pk=unknown.pk).update(provider_account_id="", is_identity_known=False)
    assert end(unknown) == Revoked.UNSUPPORTED
    Connection.objects.filter(pk=kept.pk).update(provider_account_id="", is_identity_known=False)
    assert end(connected("three")) == Revoked.UNSUPPORTED
    assert revocations(at_sandbox) == []


def test_a_connection_whose_grant_is_gone_stands_in_no_revocation_s_way(
    ends_accounts: None, connected: MakeConnection, at_sandbox: Any, world: World
) -> None:
    """Also when its account was never known: it has no grant that revoking could end."""
    factories.connection(world, "dead", status=Status.RECONNECT_REQUIRED, status_reason="revoked_at_provider")
    Connection.objects.filter(customer__foreign_identifier="dead").update(
        provider_account_id="", is_identity_known=False
    )
    assert end(connected("living")) == Revoked.CONFIRMED


# --- a refresh that was on its way when the connection ended ------------------------------------------------
def late_pair(connection: Connection, sandbox: Any) -> dict[str, str]:
    """A pair that the provider gives for the connection's refresh token, which it rotates."""
    from integrations import provider_calls

    sandbox.control("PATCH", "/_control/behaviour", {"rotateRefreshTokens": True})
    assert connection.client is not None and connection.refresh_token is not None
    response = provider_calls.refresh(
        connection.integration.provider,
        client=tokens.client_authentication(connection.client),
        refresh_token=connection.refresh_token.open().reveal(),
        values=connection.config_values(),
    )
    assert response.refresh_token
    return {"access_token": response.access_token, "refresh_token": response.refresh_token}


def test_ref_20_a_pair_that_came_too_late_is_revoked_and_the_end_told_once(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    pair = late_pair(made, at_sandbox)
    ended = connections.disconnect(made, actor=ACTOR)
    assert made.client is not None and ended is not None
    late = PendingRevocation.objects.remember_discarded(made, made.client, pair)
    assert late is not None
    assert pair["refresh_token"] not in str(late.__dict__)
    assert connections.carry_out_revocation(late.pk) == Revoked.CONFIRMED
    assert told(made) == []
    assert connections.carry_out_revocation(ended) == Revoked.CONFIRMED
    assert told(made) == ["confirmed"]
    assert pair["refresh_token"] in revocations(at_sandbox)[0]["body"]
    assert Connection.objects.get(pk=made.pk).refresh_token is None


def test_ref_20_a_pair_is_left_alone_while_its_connection_lives(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    assert made.client is not None
    pair = {"access_token": "newer", "refresh_token": "newer"}
    assert PendingRevocation.objects.remember_discarded(made, made.client, pair) is None
    connections.disconnect(made, actor=ACTOR)
    assert PendingRevocation.objects.remember_discarded(made, made.client, pair) is not None
    assert PendingRevocation.objects.remember_discarded(made, made.client, pair) is None
