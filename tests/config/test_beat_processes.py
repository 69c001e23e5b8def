"""Beat and workers as real processes: killed midway, and doubled (OPS-02, OPS-04)."""

from __future__ import annotations

import itertools
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.installation import Installation, installation
from benchmarks.servers import stop
from integrations.tokens import claims
from tests.factories import HUBSPOT_ORIGINS

pytestmark = [pytest.mark.served, pytest.mark.slow]
WORKER = ("celery", "-A", "config", "worker", "--pool", "threads", "--concurrency", "2", "--loglevel", "INFO")


class Place:
    """An installation, the processes that a test starts in it, and its database seen from outside."""

    def __init__(self, made: Installation, sandbox: Any) -> None:
        self.made, self.sandbox = made, sandbox
        self._processes: list[subprocess.Popen[bytes]] = []

    def every_two_seconds(self, job: str) -> None:
        """Write the defaults, that one with a shorter interval, as staff would."""
        self.made.manage("shell", "-c", _SEED.format(job=job))

    def worker(self, name: str) -> subprocess.Popen[bytes]:
        return self._start(
            name, *WORKER, "--hostname", f"{name}@test", "--without-gossip", "--without-mingle"
        )

    def beat(self, name: str) -> subprocess.Popen[bytes]:
        return self._start(name, "celery", "-A", "config", "beat", "--loglevel", "WARNING", "--pidfile=")

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        self._processes.append(self.made.start(*words, log=self.log(name)))
        return self._processes[-1]

    def log(self, name: str) -> Path:
        return self.made.folder / f"{name}.log"

    def sql(self, statement: str, *values: Any) -> list[Any]:
        with (
            closing(sqlite3.connect(self.made.folder / "patchbay.sqlite3", timeout=20)) as database,
            database,
        ):
            return database.execute(statement, values).fetchall()

    def close(self) -> None:
        for process in self._processes:
            stop(process)


@pytest.fixture
def place(_sandbox: Any) -> Iterator[Place]:
    upstream = {"UPSTREAM_MAP": json.dumps(dict.fromkeys(HUBSPOT_ORIGINS, _sandbox.url)), "LOG_LEVEL": "INFO"}
    _sandbox.control("POST", "/_control/reset", {})
    with installation(upstream) as made:
        here = Place(made, _sandbox)
        try:
            yield here
        finally:
            here.close()
            _sandbox.control("POST", "/_control/reset", {})


def wait_for(condition: Callable[[], Any], *, what: str, seconds: float = 60) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.05)


def test_ops_04_what_a_killed_worker_was_refreshing_another_finishes_once(place: Place) -> None:
    place.every_two_seconds("refresh-due-connections")
    place.made.ask("benchmarks.refreshes.seed", 3, place.sandbox.url)
    slow = {"rotateRefreshTokens": False, "tokenDelaySeconds": 4}
    place.sandbox.control("PATCH", "/_control/behaviour", slow)
    place.sql("UPDATE integrations_connection SET next_refresh_at = datetime('now', '-1 minute')")
    first = place.worker("first")
    place.beat("beat")
    leased = "SELECT count(*) FROM integrations_connection WHERE lease_owner IS NOT NULL"
    wait_for(lambda: place.sql(leased) == [(3,)], what=f"no lease: {place.log('first').read_text()[-2000:]}")
    time.sleep(1)
    first.send_signal(signal.SIGKILL)
    assert first.wait(10) == -signal.SIGKILL
    assert place.sql("SELECT count(*) FROM integrations_connection WHERE token_version = 1") == [(3,)]
    ahead = f"+{claims.CLAIM.total_seconds():.0f} seconds"
    within = "SELECT count(*) FROM integrations_connection WHERE next_refresh_at <= datetime('now', ?)"
    assert place.sql(within, ahead) == [(3,)], "due again when the claim is over"
    assert place.sql(leased) == [(3,)]
    # As if lease and claim had run out; the clock of a test must not wait for them.
    place.sql(
        "UPDATE integrations_connection SET next_refresh_at = datetime('now', '-1 minute'),"
        " lease_expires_at = datetime('now', '-1 second')"
    )
    place.sandbox.control("PATCH", "/_control/behaviour", {"tokenDelaySeconds": 0.1})
    place.worker("second")
    renewed = "SELECT count(*) FROM integrations_connection WHERE token_version = 2 AND lease_owner IS NULL"
    wait_for(
        lambda: place.sql(renewed) == [(3,)], what=f"not renewed: {place.log('second').read_text()[-2000:]}"
    )
    states = "SELECT DISTINCT status, unfinished_refreshes, refresh_failures FROM integrations_connection"
    assert place.sql(states) == [("active", 0, 0)]
    assert place.sql("SELECT count(*) FROM accounts_event") == [(0,)], "nothing that a partner would hear of"


def test_ops_02_two_beats_run_a_job_once_in_each_slot(place: Place) -> None:
    """The first job runs every two seconds, sent by two beats that started at different moments."""
    place.every_two_seconds("retry-revocations")
    place.worker("worker")
    place.beat("first-beat")
    time.sleep(0.9)
    place.beat("second-beat")
    slot = "SELECT slot_started_at FROM integrations_scheduledjob WHERE name = 'retry-revocations'"
    seen: list[str] = []

    def has_seen(count: int) -> bool:
        found = place.sql(slot)[0][0]
        if found and (not seen or seen[-1] != found):
            seen.append(found)
        return len(seen) >= count

    wait_for(lambda: has_seen(6), what=place.log("worker").read_text()[-2000:])
    seconds = [place.sql("SELECT julianday(?) * 86400", moment)[0][0] for moment in seen]
    gaps = [later - earlier for earlier, later in itertools.pairwise(seconds)]
    assert min(gaps) >= 1.79, gaps
    refused = place.log("worker").read_text().count("another scheduler's message came first")
    assert refused >= 2, "the second beat's messages did come"


_SEED = """
from django.conf import settings
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from integrations.schedules import seed
seed(settings.CELERY_BEAT_SCHEDULE)
two = IntervalSchedule.objects.create(every=2, period="seconds")
PeriodicTask.objects.filter(name="{job}").update(interval=two)
"""
