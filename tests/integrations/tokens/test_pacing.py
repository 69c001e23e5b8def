"""Slots and back-off per provider, shared through the database."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.db import transaction

from integrations.models import ProviderPace
from integrations.tokens import pacing

pytestmark = [pytest.mark.django_db, pytest.mark.db]
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def take(count: int, *, per_second: float, now: datetime, name: str = "hubspot") -> list[datetime]:
    """Reserve as many as are free, at most count."""
    with transaction.atomic():
        pace = pacing.locked(name)
        free = pacing.free_slots(pace, per_second=per_second, now=now)
        return pacing.reserve(pace, min(free, count), per_second=per_second, now=now)


def test_slots_lie_a_steady_time_apart_whoever_takes_them() -> None:
    slots = take(10, per_second=10, now=NOW) + take(10, per_second=10, now=NOW)
    assert slots == [NOW + timedelta(seconds=0.1) * number for number in range(20)]


def test_no_more_are_given_than_the_horizon_holds() -> None:
    assert len(take(1_000, per_second=10, now=NOW)) == 50
    assert take(1_000, per_second=10, now=NOW) == []
    assert len(take(1_000, per_second=10, now=NOW + timedelta(seconds=1))) == 10


def test_what_was_not_taken_is_not_saved_up() -> None:
    take(10, per_second=10, now=NOW)
    assert len(take(1_000, per_second=10, now=NOW + timedelta(days=1))) == 50


def test_a_rate_below_one_in_the_horizon_still_gives_one_now_and_then() -> None:
    assert take(5, per_second=0.1, now=NOW) == [NOW]
    assert take(5, per_second=0.1, now=NOW + timedelta(seconds=4)) == []
    assert len(take(5, per_second=0.1, now=NOW + timedelta(seconds=10))) == 1


def test_a_provider_in_trouble_is_probed_ever_more_rarely_and_opens_at_the_first_success() -> None:
    take(1, per_second=10, now=NOW)
    assert pacing.settle("hubspot", renewed=0, failed=4, now=NOW)
    assert len(take(10, per_second=10, now=NOW + timedelta(seconds=1))) == 10
    assert not pacing.settle("hubspot", renewed=0, failed=1, now=NOW + timedelta(seconds=2))
    pauses, now = [], NOW + timedelta(seconds=2)
    for _ in range(12):
        until = ProviderPace.objects.get().asks_again_at
        assert until is not None
        pauses.append(until - now)
        assert take(10, per_second=10, now=until - timedelta(seconds=1)) == []
        now = until
        assert len(take(10, per_second=10, now=now)) == 1, "one probe"
        assert take(10, per_second=10, now=now) == [], "and no second beside it"
        pacing.settle("hubspot", renewed=0, failed=1, now=now)
    assert pauses[0] < timedelta(seconds=19)
    assert pauses[-1] > timedelta(minutes=2)
    assert max(pauses) <= timedelta(minutes=18)
    assert pacing.settle("hubspot", renewed=1, failed=0, now=now)
    assert len(take(10, per_second=10, now=now + timedelta(seconds=1))) == 10


def test_a_probe_that_died_with_its_worker_does_not_close_the_provider_for_ever() -> None:
    take(1, per_second=10, now=NOW)
    pacing.settle("hubspot", renewed=0, failed=9, now=NOW)
    now = NOW + timedelta(minutes=1)
    assert len(take(10, per_second=10, now=now)) == 1
    assert len(take(10, per_second=10, now=now + timedelta(seconds=50))) == 1


def test_one_success_among_failures_keeps_the_provider_open() -> None:
    """Providers with a host for each customer: one of them down says nothing about the others."""
    take(1, per_second=10, now=NOW)
    for _ in range(20):
        assert pacing.settle("hubspot", renewed=1, failed=30, now=NOW)
    assert ProviderPace.objects.get().failures == 0


def test_retry_after_is_honoured_also_when_others_succeeded_and_up_to_an_hour() -> None:
    take(1, per_second=10, now=NOW)
    assert not pacing.settle("hubspot", renewed=3, failed=1, now=NOW, retry_after=timedelta(seconds=90))
    assert take(10, per_second=10, now=NOW + timedelta(seconds=89)) == []
    pacing.settle("hubspot", renewed=1, failed=0, now=NOW + timedelta(seconds=1))
    assert take(10, per_second=10, now=NOW + timedelta(seconds=89)) == [], "that one was under way before"
    assert len(take(10, per_second=10, now=NOW + timedelta(seconds=90))) == 10
    pacing.settle("hubspot", renewed=0, failed=1, now=NOW, retry_after=timedelta(days=9))
    assert ProviderPace.objects.get().asks_again_at == NOW + timedelta(hours=1)


def test_providers_do_not_share_slots_or_trouble() -> None:
    take(50, per_second=10, now=NOW)
    pacing.settle("hubspot", renewed=0, failed=9, now=NOW)
    assert len(take(50, per_second=10, now=NOW, name="xero")) == 50


@pytest.mark.django_db(transaction=True)
def test_workers_that_ask_at_once_get_no_slot_twice() -> None:
    slots: list[datetime] = []
    lock = threading.Lock()

    def work() -> None:
        try:
            for _ in range(5):
                found = take(3, per_second=100, now=NOW)
                with lock:
                    slots.extend(found)
        finally:
            database.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(slots) == len(set(slots)) == 90
