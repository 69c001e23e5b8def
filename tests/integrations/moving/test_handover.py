"""Handing connections over: an exported grant is refreshed by one installation alone (RFC 6749 section 10.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import connections, tokens
from integrations.errors import ConnectionPaused
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.moving import handover
from integrations.moving.handover import StillRefreshing
from integrations.tokens import lease
from sealing import seal
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.moving.bundles import Mover, forget_everything, make_unreadable

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def rows() -> Any:
    return Connection.objects.listed()


def access_token_of(connection: Connection) -> str:
    return tokens.open_tokens(connection)["access_token"]


def being_refreshed(connection: Connection, *, seconds: float = 30) -> None:
    Connection.objects.filter(pk=connection.pk).update(
        lease_owner=connection.pk, lease_expires_at=timezone.now() + timedelta(seconds=seconds)
    )


def test_what_is_handed_over_is_paused_here_and_goes_on_there(world: World, mover: Mover) -> None:
    for name, status in (("a", "active"), ("b", "reconnect_required"), ("c", "refresh_failing")):
        factories.connection(world, name, status=status, status_reason="")
    held = factories.connection(
        world, "d", status="paused", status_before_pause="active", status_reason="paused_by_partner"
    )
    report = mover.export("--hand-over")
    assert (report["connections"], report["handed_over"]) == (4, 3)
    assert set(rows().values_list("status", flat=True)) == {Status.PAUSED}
    assert not Event.objects.exists()
    assert AuditEntry.objects.filter(action="connection.paused").count() == 3
    with pytest.raises(ConnectionPaused):
        tokens.ensure_fresh(rows().first().pk)
    Connection.objects.all().delete()
    assert mover.restore()["adopted"] == 4
    there = dict(Connection.objects.values_list("customer__foreign_identifier", "status"))
    assert there == {"a": "active", "b": "reconnect_required", "c": "refresh_failing", "d": "paused"}
    assert Connection.objects.get(pk=held.pk).status_reason == "paused_by_partner"


def test_an_export_that_was_broken_off_is_run_again_and_loses_no_status(
    world: World, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        factories.connection(
            world, f"c-{number}", status="refresh_failing", status_reason="provider_unavailable"
        )
    monkeypatch.setattr(handover, "BATCH", 2)
    real, taken = handover._pause, []

    def pause(*args: Any) -> bool:
        taken.append(1)
        if len(taken) == 4:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(handover, "_pause", pause)
        with pytest.raises(KeyboardInterrupt):
            mover.export("--hand-over")
    assert not mover.path("bundle").exists() and not mover.path("bundle.part").exists()
    assert rows().filter(status=Status.PAUSED).count() == 2
    assert AuditEntry.objects.get(action="connections.exported").changes["finished"] is False
    report = mover.export("--hand-over")
    assert (report["connections"], report["handed_over"]) == (5, 3)
    Connection.objects.all().delete()
    mover.restore()
    kept = set(Connection.objects.values_list("status", "status_reason", "status_evidence"))
    assert kept == {("refresh_failing", "provider_unavailable", "")}


def test_a_connection_that_is_being_refreshed_is_waited_for(world: World) -> None:
    """Its refresh token may be spent this very moment: what is exported must be what comes back."""
    made = factories.connection(world, "a", access_token="CBefore0123456789")
    factories.connection(world, "b")
    being_refreshed(made)
    exported: list[Connection] = []

    def refreshed(_: float) -> None:
        newer = factories.connection(
            world, "elsewhere", access_token="CAfter0123456789", status="disconnected"
        )
        sealed = seal(access_token_of(newer), model=Connection, field="access_token", pk=made.pk)
        Connection.objects.filter(pk=made.pk).update(
            access_token=sealed, token_version=2, lease_owner=None, lease_expires_at=None
        )

    assert handover.hand_over(rows(), exported.append, actor=ACTOR, sleep=refreshed) == 2
    tokens_by_key = {row.pk: access_token_of(row) for row in exported}
    assert len(exported) == 2 and tokens_by_key[made.pk] == "CAfter0123456789"


def test_a_refresh_that_never_lets_go_stops_the_hand_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    being_refreshed(factories.connection(world, "a"), seconds=600)
    monkeypatch.setattr(handover, "_PATIENCE_SECONDS", 0.0)
    with pytest.raises(StillRefreshing):
        handover.hand_over(rows(), lambda _: None, actor=ACTOR, sleep=lambda _: None)
    assert rows().get().status == Status.ACTIVE


def test_who_read_the_row_before_it_was_handed_over_cannot_refresh_it_after(world: World) -> None:
    """A worker that looked a moment ago and was descheduled: its conditional UPDATE must not match."""
    read = factories.connection(world, "a")
    handover.hand_over(rows(), lambda _: None, actor=ACTOR)
    assert lease.take(read.pk, token_version=read.token_version) is None


def test_a_connection_that_is_made_meanwhile_is_handed_over_too(world: World) -> None:
    factories.connection(world, "a")
    exported: list[Connection] = []

    def export(row: Connection) -> None:
        exported.append(row)
        if len(exported) == 1:
            factories.connection(world, "b")

    assert handover.hand_over(rows(), export, actor=ACTOR, sleep=lambda _: None) == 2
    assert len({row.pk for row in exported}) == 2


def test_a_move_that_was_called_off_goes_on_here_as_it_was(world: World, mover: Mover) -> None:
    factories.connection(world, "a")
    factories.connection(world, "b", status="reconnect_required", status_reason="revoked_at_provider")
    held = factories.connection(world, "c")
    connections.pause(held, actor=ACTOR)
    mover.export("--hand-over")
    assert mover.export("--take-back")["taken_back"] == 2
    now = dict(rows().values_list("customer__foreign_identifier", "status"))
    assert now == {"a": "active", "b": "reconnect_required", "c": "paused"}
    assert rows().get(status="reconnect_required").status_reason == "revoked_at_provider"
    assert mover.export("--take-back")["taken_back"] == 0


def test_an_unreadable_connection_is_not_handed_over(world: World, mover: Mover) -> None:
    lost, other = factories.connection(world, "a"), factories.connection(world, "b")
    make_unreadable(lost, other)
    report = mover.export("--hand-over")
    assert (report["connections"], report["handed_over"], report["unreadable"]) == (1, 1, 1)
    assert rows().get(pk=lost.pk).status == Status.ACTIVE


def test_a_disk_that_is_full_leaves_no_bundle_and_a_second_run_makes_one(
    world: World, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.connection(world, "a")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(CommandError, match="no bundle was made"):
            mover.export("--hand-over")
    assert not mover.path("bundle").exists()
    assert mover.export("--hand-over")["connections"] == 1
    forget_everything()
    factories.integration()
    mover.restore()
    assert rows().get().status == Status.ACTIVE
