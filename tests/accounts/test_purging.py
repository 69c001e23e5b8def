"""Old rows go in chunks; what is still needed stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts import purging
from accounts.models import Event, IssuedToken, WorkerHeartbeat
from accounts.models.event import EventType
from accounts.tasks import purge_issued_tokens
from integrations import tasks
from tests import factories
from tests.factories import World

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def event(world: World, *, days_ago: float, is_dispatched: bool = False) -> Event:
    moment = timezone.now() - timedelta(days=days_ago)
    return Event.objects.create(
        type=EventType.CONNECTION_UPDATED,
        partner=world.partner,
        occurred_at=moment,
        dispatched_at=moment if is_dispatched else None,
    )


def test_events_go_after_thirty_days_delivered_or_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "CHUNK", 2)
    kept = event(world, days_ago=29)
    for number in range(7):
        event(world, days_ago=31 + number, is_dispatched=number % 2 == 0)
    assert tasks.purge_old() >= 7
    assert list(Event.objects.all()) == [kept]


def test_the_time_that_events_are_kept_is_a_setting(world: World, settings: Any) -> None:
    event(world, days_ago=3)
    settings.EVENT_DAYS = 2
    tasks.purge_old()
    assert Event.objects.count() == 0


def test_sessions_heartbeats_and_tokens_that_have_ended_go(world: World) -> None:
    now = timezone.now()
    for name, moment in (("old", now - timedelta(days=2)), ("new", now)):
        WorkerHeartbeat.objects.create(name=name, beaten_at=moment)
        Session.objects.create(session_key=name, session_data="", expire_date=moment + timedelta(hours=1))
    tasks.purge_old()
    assert [row.name for row in WorkerHeartbeat.objects.all()] == ["new"]
    assert [row.session_key for row in Session.objects.all()] == ["new"]
    assert IssuedToken.objects.count() == 0
    assert purge_issued_tokens() == 0


def test_old_sign_ins_go_and_recent_ones_stay(db: Any) -> None:
    from axes.models import AccessLog

    for name, days in (("old", 100), ("recent", 10)):
        made = AccessLog.objects.create(username=name)
        AccessLog.objects.filter(pk=made.pk).update(attempt_time=timezone.now() - timedelta(days=days))
    tasks.purge_old()
    assert [row.username for row in AccessLog.objects.all()] == ["recent"]


def test_a_later_part_hooks_in_and_one_that_fails_holds_no_other_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    left = [1_100]

    def purge(limit: int) -> int:
        calls.append(limit)
        gone = min(limit, left[0])
        left[0] -= gone
        return gone

    def broken(limit: int) -> int:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(purging, "_purges", {})
    purging.register("broken", broken)
    purging.register("traffic", purge)
    assert purging.purge_all() == 1_100
    assert calls == [500, 500, 500]


def test_a_purge_ends_in_time_and_the_next_goes_on() -> None:
    assert purging.in_chunks(lambda limit: limit, seconds=0) == 0
    calls: list[int] = []
    purging.in_chunks(lambda limit: calls.append(limit) or limit, seconds=0.05)
    assert len(calls) > 1


def test_links_go_in_chunks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from integrations import connect
    from integrations.models import Connection, ConnectLink

    monkeypatch.setattr(purging, "CHUNK", 2)
    for number in range(5):
        wanted = connect.LinkRequest(foreign_identifier=f"customer-{number}")
        connect.create_link(world.partner, world.integration, wanted, actor=factories.ACTOR)
    long_ago = timezone.now() - timedelta(days=3)
    ConnectLink.objects.update(expires_at=long_ago)
    Connection.objects.update(created_at=long_ago)
    assert tasks.purge_expired() == 10
    assert (ConnectLink.objects.count(), Connection.objects.count()) == (0, 0)
