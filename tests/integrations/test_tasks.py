"""The sweeps: a row that cannot be dealt with keeps no other from its turn, and nothing needed is purged."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from accounts.models import Event
from integrations import connect, connections, tasks, tokens
from integrations.connections import Adoption
from integrations.errors import InvalidInput
from integrations.models import Connection, ConnectLink, Integration, PendingRevocation
from integrations.models.connection import Status
from integrations.provider_calls import Revoked
from tests import factories
from tests.factories import ACTOR, World

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def pending(world: World, identifier: str = "never") -> Connection:
    """A pending connection whose link is long gone."""
    wanted = connect.LinkRequest(foreign_identifier=identifier)
    made = connect.create_link(world.partner, world.integration, wanted, actor=ACTOR).link.connection
    ConnectLink.objects.filter(connection=made).delete()
    Connection.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=9))
    return made


def test_a_revocation_that_cannot_be_carried_out_holds_no_other_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = factories.connection(world, "one"), factories.connection(world, "two")
    Connection.objects.filter(pk=second.pk).update(provider_account_id="another")
    for row in (first, second):
        connections.disconnect(row, actor=ACTOR)
    tried: list[Any] = []

    def carry_out(revocation_id: Any) -> Revoked:
        tried.append(revocation_id)
        if len(tried) == 1:
            raise ZeroDivisionError("nobody thought of this")
        return Revoked.CONFIRMED

    monkeypatch.setattr(connections, "carry_out_revocation", carry_out)
    assert tasks.retry_revocations() == 2
    assert len(tried) == 2


def test_ref_32_a_connection_ends_also_when_its_provider_left_the_catalogue(world: World) -> None:
    made = factories.connection(world)
    Integration.objects.update(provider_id="gone")
    revocation = connections.disconnect(made, actor=ACTOR)
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.access_token, row.refresh_token) == (Status.DISCONNECTED, None, None)
    assert revocation is not None
    assert connections.carry_out_revocation(revocation) is None
    PendingRevocation.objects.update(give_up_at=timezone.now())
    assert connections.carry_out_revocation(revocation) == Revoked.FAILED


def test_an_account_that_cannot_be_looked_up_holds_no_other_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [factories.connection(world, f"customer-{n}") for n in range(2)]
    Connection.objects.update(is_identity_known=False)
    asked: list[Any] = []

    def ensure_fresh(connection_id: Any) -> Any:
        asked.append(connection_id)
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(tokens, "ensure_fresh", ensure_fresh)
    assert tasks.complete_identities() == 0
    assert sorted(asked) == sorted(row.pk for row in rows)
    assert list(connections.due_for_identity(timezone.now())) == []


def test_a_pending_connection_that_got_a_link_again_is_not_purged(world: World) -> None:
    kept, gone = pending(world, "back"), pending(world, "gone")
    wanted = connect.LinkRequest(foreign_identifier="back")
    assert connect.create_link(world.partner, world.integration, wanted, actor=ACTOR).link.connection == kept
    tasks.purge_expired()
    assert list(Connection.objects.all()) == [kept]
    assert not Connection.objects.filter(pk=gone.pk).exists()


def adopted(world: World, **fields: Any) -> Connection:
    wanted = Adoption("never", "imported-access-token", expires_in=600, **fields)
    return connections.adopt(world.partner, world.integration, wanted, actor=ACTOR)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rival", ["import", "purge"])
def test_while_an_import_fills_a_pending_connection_nobody_else_does_or_deletes_it(
    world: World, monkeypatch: pytest.MonkeyPatch, rival: str
) -> None:
    made = pending(world)
    is_between, original = threading.Event(), tokens.token_columns
    outcomes: list[str] = []

    def slow(*args: Any, **kwargs: Any) -> Any:
        is_between.set()
        time.sleep(0.5)
        return original(*args, **kwargs)

    def run(act: Any) -> None:
        try:
            act()
            outcomes.append("done")
        except InvalidInput:
            outcomes.append("refused")
        finally:
            database.close()

    monkeypatch.setattr(tokens, "token_columns", slow)
    first = threading.Thread(target=run, args=(lambda: adopted(world),))
    first.start()
    assert is_between.wait(10)
    act = tasks.purge_expired if rival == "purge" else lambda: adopted(world)
    second = threading.Thread(target=run, args=(act,))
    second.start()
    first.join(30)
    second.join(30)
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.token_version) == (Status.ACTIVE, 1)
    assert Event.objects.filter(type="connection.created").count() == 1
    assert sorted(outcomes) == (["done", "done"] if rival == "purge" else ["done", "refused"])
