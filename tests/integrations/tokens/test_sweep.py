"""The sweep that refreshes ahead of use: every connection gets its turn, whatever state the others are in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import tasks
from integrations.models import Connection, Integration
from integrations.models.connection import Status
from tests import factories
from tests.factories import World
from tests.integrations.tokens.conftest import MakeConnection, refreshes

pytestmark = [pytest.mark.django_db, pytest.mark.db]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The connections for which a message was sent."""
    sent: list[str] = []
    monkeypatch.setattr(tasks.refresh_connection, "delay", sent.append)
    return sent


def due(world: World, identifier: str, **fields: Any) -> Connection:
    fields.setdefault("next_refresh_at", timezone.now() - timedelta(minutes=1))
    return factories.connection(world, identifier, **fields)


def test_ref_24_connections_that_stay_due_do_not_keep_others_from_their_turn(
    world: World, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 3)
    long_ago = timezone.now() - timedelta(hours=5)
    stuck = [due(world, f"stuck-{n}", next_refresh_at=long_ago) for n in range(7)]
    healthy = [due(world, f"healthy-{n}") for n in range(2)]
    assert tasks.refresh_due() == 9
    assert sorted(asked) == sorted(str(row.pk) for row in (*stuck, *healthy))


def test_ops_02_a_second_scheduler_sends_no_second_message(world: World, asked: list[str]) -> None:
    made = due(world, "one")
    assert (tasks.refresh_due(), tasks.refresh_due()) == (1, 0)
    assert asked == [str(made.pk)]


def test_ops_04_a_message_that_was_lost_is_sent_again(world: World, asked: list[str]) -> None:
    made = due(world, "one")
    tasks.refresh_due()
    claimed_until = Connection.objects.get(pk=made.pk).next_refresh_at
    assert claimed_until is not None
    assert timedelta() < claimed_until - timezone.now() <= tasks.CLAIM
    Connection.objects.update(next_refresh_at=timezone.now())
    tasks.refresh_due()
    assert asked == [str(made.pk)] * 2


def test_ref_23_a_token_that_tells_no_end_is_renewed_after_a_day(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    yesterday = timezone.now() - timedelta(hours=25)
    Connection.objects.filter(pk=made.pk).update(
        access_token_expires_at=None,
        access_token_lifetime=None,
        token_stored_at=yesterday,
        connected_at=yesterday,
        next_refresh_at=timezone.now() - timedelta(minutes=1),
    )
    assert tasks.refresh_connection(str(made.pk)) is True
    assert len(refreshes(at_sandbox)) == 1
    row = Connection.objects.get(pk=made.pk)
    assert row.token_version == made.token_version + 1
    assert row.next_refresh_at is not None and row.next_refresh_at > timezone.now()


def test_a_provider_that_left_the_catalogue_fails_no_task(world: World) -> None:
    made = due(world, "orphan", expires_in=1)
    Integration.objects.update(provider_id="gone")
    assert tasks.refresh_connection(str(made.pk)) is False
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE
