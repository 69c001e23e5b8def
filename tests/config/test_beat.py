"""Schedules: seeded once, held to their slot, and measured in elapsed time."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery import current_app, schedules
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from config.celery import app
from integrations import tasks
from integrations.models import ScheduledJob
from integrations.schedules import DESCRIPTIONS, SeededScheduler, claim_slot, seed

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def start_beat() -> SeededScheduler:
    return SeededScheduler(app=app)


def test_the_first_start_writes_every_default_with_its_words() -> None:
    start_beat()
    rows = {row.name: row for row in PeriodicTask.objects.all()}
    assert set(rows) == set(settings.CELERY_BEAT_SCHEDULE) == set(DESCRIPTIONS)
    assert (rows["refresh-due-connections"].interval.every, rows["refresh-due-connections"].enabled) == (
        30,
        True,
    )
    assert all(row.description for row in rows.values())
    app.loader.import_default_modules()
    assert {row.task for row in rows.values()} <= set(app.tasks)


def test_what_staff_have_changed_survives_the_next_start() -> None:
    start_beat()
    slower = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.MINUTES)
    PeriodicTask.objects.filter(name="refresh-due-connections").update(interval=slower, enabled=False)
    start_beat()
    row = PeriodicTask.objects.get(name="refresh-due-connections")
    assert (row.interval, row.enabled) == (slower, False)
    assert PeriodicTask.objects.count() == len(settings.CELERY_BEAT_SCHEDULE)


def test_a_default_that_staff_have_deleted_comes_back_only_when_it_is_wanted() -> None:
    start_beat()
    PeriodicTask.objects.filter(name="purge-old-rows").delete()
    start_beat()
    assert not PeriodicTask.objects.filter(name="purge-old-rows").exists()
    assert seed(settings.CELERY_BEAT_SCHEDULE, is_wanted_back=True) == ["purge-old-rows"]
    assert PeriodicTask.objects.filter(name="purge-old-rows").exists()


def test_a_default_that_a_new_version_brings_is_written_beside_the_old_ones() -> None:
    start_beat()
    more = {**settings.CELERY_BEAT_SCHEDULE, "later-one": {"task": "x.y", "schedule": timedelta(minutes=2)}}
    assert seed(more) == ["later-one"]
    assert PeriodicTask.objects.get(name="later-one").interval.every == 120


def test_schedules_of_an_older_version_stay_as_they_are() -> None:
    """That version wrote them without remembering it."""
    ten = IntervalSchedule.objects.create(every=10, period=IntervalSchedule.MINUTES)
    PeriodicTask.objects.create(
        name="purge-expired-links", task="integrations.tasks.purge_expired", interval=ten
    )
    start_beat()
    assert PeriodicTask.objects.get(name="purge-expired-links").interval == ten
    assert ScheduledJob.objects.filter(pk="purge-expired-links").exists()


def send(name: str) -> Any:
    """Run a task as a worker does whose message came from that schedule."""
    row = PeriodicTask.objects.get(name=name)
    return current_app.tasks[row.task].apply(headers={"periodic_task_name": name}, throw=True).result


def test_ops_02_two_schedulers_run_a_job_once_in_each_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    start_beat()
    PeriodicTask.objects.filter(name="retry-revocations").update(
        interval=IntervalSchedule.objects.get_or_create(every=60, period=IntervalSchedule.SECONDS)[0]
    )
    began = datetime(2026, 11, 25, 12, tzinfo=UTC)
    ran: list[datetime] = []
    for second in range(600):
        now = began + timedelta(seconds=second)
        monkeypatch.setattr(timezone, "now", lambda now=now: now)
        for phase in (0, 23):  # two beats, each once a minute
            if second % 60 == phase and send("retry-revocations") is not None:
                ran.append(now)
    assert len(ran) == 10
    assert len({(moment - began) // timedelta(minutes=1) for moment in ran}) == 10


def test_a_message_that_came_a_little_late_does_not_cost_the_next_its_slot() -> None:
    start_beat()
    now = timezone.now()
    assert claim_slot("retry-revocations", now=now + timedelta(seconds=4))
    assert claim_slot("retry-revocations", now=now + timedelta(seconds=60))
    assert not claim_slot("retry-revocations", now=now + timedelta(seconds=80))


def test_ops_09_a_clock_that_once_ran_ahead_does_not_stop_a_job_until_then() -> None:
    start_beat()
    now = timezone.now()
    assert claim_slot("retry-revocations", now=now + timedelta(days=400))
    assert claim_slot("retry-revocations", now=now)
    assert not claim_slot("retry-revocations", now=now + timedelta(seconds=20))


def test_a_slot_is_as_long_as_staff_have_made_the_interval() -> None:
    start_beat()
    now = timezone.now()
    hourly = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.filter(name="retry-revocations").update(interval=hourly)
    assert claim_slot("retry-revocations", now=now)
    assert not claim_slot("retry-revocations", now=now + timedelta(minutes=30))
    assert claim_slot("retry-revocations", now=now + timedelta(minutes=60))


def test_whoever_runs_a_job_by_hand_is_not_held_to_its_slot() -> None:
    start_beat()
    assert send("retry-revocations") == 0
    assert send("retry-revocations") is None
    assert tasks.retry_revocations() == 0


def entry(**schedule: Any) -> PeriodicTask:
    return PeriodicTask.objects.create(name="job", task="x.y", last_run_at=None, **schedule)


def runs_over(row: PeriodicTask, start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """When a beat that looks every step would send this job, by a clock that we move."""
    made = ModelEntry(row, app=app)
    now = start
    made.schedule.nowfun = lambda: now
    made._default_now = lambda: now
    made.last_run_at = start
    found = []
    while now < end:
        now += step
        if made.is_due().is_due:
            found.append(now)
            made.last_run_at = now
    return found


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_ops_09_no_clock_change_doubles_or_drops_a_run(day: str) -> None:
    """Berlin's clocks change on both days; hourly and daily jobs go by elapsed time and UTC."""
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=12)
    end = start + timedelta(hours=48)
    offsets = {(start + timedelta(hours=hour)).astimezone(berlin).utcoffset() for hour in range(48)}
    assert len(offsets) == 2, "the clocks do change in this time"
    hourly = entry(interval=IntervalSchedule.objects.create(every=1, period=IntervalSchedule.HOURS))
    found = runs_over(hourly, start, end, timedelta(minutes=5))
    assert len(found) == 48
    gaps = {later - earlier for earlier, later in itertools.pairwise(found)}
    assert gaps == {timedelta(hours=1)}
    PeriodicTask.objects.all().delete()
    crontab = CrontabSchedule.objects.create(minute="30", hour="1", timezone="UTC")
    daily = runs_over(entry(crontab=crontab), start, end, timedelta(minutes=5))
    assert len(daily) == 2
    assert {(moment.hour, moment.minute) for moment in daily} == {(1, 30)}


def test_beat_counts_in_utc_without_local_time() -> None:
    assert (app.conf.timezone, app.conf.enable_utc, settings.TIME_ZONE, settings.USE_TZ) == (
        "UTC",
        True,
        "UTC",
        True,
    )
    assert isinstance(schedules.schedule(30.0, app=app).now().tzinfo, ZoneInfo | type(UTC))


def test_ops_14_refreshes_have_a_queue_of_their_own_that_a_plain_worker_takes_too() -> None:
    queue = app.amqp.router.route({}, "integrations.tasks.refresh_due")["queue"]
    assert queue.name == "refresh"
    others = {app.amqp.router.route({}, name)["queue"].name for name in app.tasks if "refresh" not in name}
    assert others == {"celery"}
    assert set(app.amqp.queues.consume_from) == {"celery", "refresh"}
