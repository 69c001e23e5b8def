"""Real worker processes, killed and asked to end: nothing is lost, and nothing unsafe is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import Event
from integrations.models import Connection
from proxy.models import Receipt, TrafficEntry
from proxy.models.receipt import OPEN, State
from tests.egress.servers import Conversation, Server
from tests.factories import World
from tests.proxy.calls import body_of, reply
from tests.proxy.conftest import API
from tests.proxy.receipts.made import waiting
from tests.proxy.receipts.talk import post, shown, taken_in
from tests.proxy.servers import Served
from tests.proxy.test_processes import _database_url
from tests.suite import ROOT

pytestmark = [pytest.mark.served, pytest.mark.slow, pytest.mark.db]
WORKER = ("celery", "-A", "config", "worker", "--concurrency", "2", "--loglevel", "INFO")
SECONDS = 60.0
_SEND = "from config.celery import app; app.send_task('proxy.tasks.{job}')"


class Provider:
    """HubSpot as far as is needed. Its API answers when it is told to; so does its token endpoint."""

    def __init__(self) -> None:
        self.may_answer, self.may_grant = threading.Event(), threading.Event()
        self.may_answer.set()
        self.may_grant.set()
        self.calls: list[bytes] = []
        self.token_calls = 0
        self.server = Server(self._serve)

    def _serve(self, conversation: Conversation) -> None:
        while True:
            request = conversation.read_request()
            if request.startswith(b"POST /oauth/"):
                self.token_calls += 1
                self.may_grant.wait(SECONDS)
                granted = {"access_token": "token-1", "refresh_token": "r2", "expires_in": 1800}
                body = json.dumps(granted).encode()
                conversation.send(reply("200 OK", b"Content-Type: application/json", body=body))
            else:
                self.calls.append(request)
                self.may_answer.wait(SECONDS)
                conversation.send(reply(body=b"done"))


class Place:
    """Workers on the test's database, with a broker of their own."""

    def __init__(self, folder: Path, provider: Provider, *, broker: dict[str, str] | None = None) -> None:
        self.folder = folder
        own = {"PATCHBAY_DATA_DIR": str(folder), "CELERY_BROKER_URL": "filesystem://"}
        self._env = os.environ | {
            **(own if broker is None else broker),
            "DATABASE_URL": _database_url(),
            "UPSTREAM_MAP": json.dumps({API: f"http://127.0.0.1:{provider.server.port}"}),
            "LOG_LEVEL": "INFO",
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def worker(self, name: str, *, pool: str = "threads") -> subprocess.Popen[bytes]:
        words = [
            *WORKER,
            "--pool",
            pool,
            "--hostname",
            f"{name}@test",
            "--without-gossip",
            "--without-mingle",
        ]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=ROOT, env=self._env, stdout=log, stderr=log
            )
        self._processes.append(process)
        return process

    def send(self, job: str = "run_receipts") -> None:
        """As a web process or beat would."""
        subprocess.run([sys.executable, "-c", _SEND.format(job=job)], cwd=ROOT, env=self._env, check=True)

    def said(self) -> str:
        return "\n".join(log.read_text()[-3000:] for log in sorted(self.folder.glob("*.log")))

    def wait_for(self, condition: Callable[[], Any]) -> None:
        give_up_at = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < give_up_at, self.said()
            time.sleep(0.02)

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait(20)


@pytest.fixture
def provider() -> Iterator[Provider]:  # type: ignore[override]  # another provider than the other tests'
    made = Provider()
    yield made
    made.may_answer.set()
    made.may_grant.set()
    made.server.close()


@pytest.fixture
def place(at: World, provider: Provider, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, provider)
    yield made
    made.close()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL


def lapse() -> None:
    """As if every lease had run out; the clock of a test must not wait for them."""
    past = timezone.now() - timedelta(seconds=1)
    Receipt.objects.filter(state=State.RUNNING).update(lease_expires_at=past)
    Connection.objects.exclude(lease_owner=None).update(lease_expires_at=past)


def is_over() -> bool:
    return not Receipt.objects.filter(state__in=OPEN).exists()


def now_of(made: Receipt) -> Receipt:
    return Receipt.objects.get(pk=made.pk)


def test_an_unsafe_call_that_was_sent_is_not_repeated_after_a_kill_and_a_safe_one_is(
    at: World, cust: Connection, provider: Provider, place: Place
) -> None:
    provider.may_answer.clear()
    unsafe, safe = waiting(at, cust, method="POST", url="/unsafe"), waiting(at, cust, url="/safe")
    first = place.worker("first")
    place.send()
    place.wait_for(lambda: len(provider.calls) == 2)
    kill(first)
    assert Receipt.objects.filter(state=State.RUNNING).exclude(sent_at=None).count() == 2
    provider.may_answer.set()
    place.worker("second")
    place.send("sweep_receipts")
    time.sleep(1)
    assert Receipt.objects.filter(state=State.RUNNING).count() == 2, "their leases hold"
    lapse()
    place.send("sweep_receipts")
    place.wait_for(is_over)
    assert (now_of(unsafe).state, now_of(unsafe).tries) == (State.OUTCOME_UNKNOWN, 1)
    assert (now_of(safe).state, now_of(safe).tries) == (State.COMPLETED, 2)
    sent = Counter(call.split(b" ")[1] for call in provider.calls)
    assert sent == {b"/unsafe": 1, b"/safe": 2}
    told = {event.data["id"]: event.data["state"] for event in Event.objects.filter(type="receipt.completed")}
    assert told == {str(unsafe.pk): "outcome_unknown", str(safe.pk): "completed"}


def test_an_unsafe_call_that_was_not_sent_yet_is_made_by_another_worker(
    at: World, cust: Connection, provider: Provider, place: Place
) -> None:
    """Killed while the token was being refreshed, which comes before the mark."""
    provider.may_grant.clear()
    Connection.objects.update(access_token_expires_at=cust.created_at)
    made = waiting(at, cust, method="POST")
    first = place.worker("first")
    place.send()
    place.wait_for(lambda: provider.token_calls == 1)
    assert (now_of(made).state, now_of(made).sent_at) == (State.RUNNING, None)
    kill(first)
    provider.may_grant.set()
    lapse()
    place.worker("second")
    place.send("sweep_receipts")
    place.wait_for(lambda: now_of(made).state not in OPEN)
    assert (now_of(made).state, now_of(made).tries) == (State.COMPLETED, 2)
    assert len(provider.calls) == 1


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_that_is_asked_to_end_waits_for_its_replies_and_hands_back_the_rest(
    at: World, cust: Connection, provider: Provider, place: Place, pool: str
) -> None:
    """Also where the processes of its pool get no signal themselves."""
    provider.may_answer.clear()
    provider.may_grant.clear()
    sent = waiting(at, cust, method="POST")
    worker = place.worker("worker", pool=pool)
    place.send()
    place.wait_for(lambda: len(provider.calls) == 1)
    Connection.objects.update(access_token_expires_at=cust.created_at)
    unsent = waiting(at, cust, method="POST")
    place.send()
    place.wait_for(lambda: provider.token_calls == 1)
    worker.terminate()
    place.wait_for(lambda: now_of(unsent).state == State.PENDING)
    assert (now_of(unsent).tries, now_of(unsent).sent_at) == (0, None)
    assert worker.poll() is None, place.said()
    provider.may_answer.set()
    place.wait_for(lambda: now_of(sent).state == State.COMPLETED)
    provider.may_grant.set()
    assert worker.wait(30) == 0, place.said()
    entry = TrafficEntry.objects.get(request_id=sent.request_id)
    assert (entry.method, entry.status, entry.partner_id) == ("POST", 200, at.partner.pk), (
        "written at the end"
    )
    assert Connection.objects.get().token_version == 2, "a rotated pair is stored before the process ends"
    assert len(provider.calls) == 1
    assert now_of(unsent).state == State.PENDING


def test_a_worker_takes_a_call_up_as_soon_as_it_is_taken_in(
    at: World, cust: Connection, provider: Provider, platform: Served, tmp_path: Path
) -> None:
    """By the message alone, on the broker of the process that serves: no sweep runs here."""
    broker = {
        "PATCHBAY_DATA_DIR": os.environ["PATCHBAY_DATA_DIR"],
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
    }
    place = Place(tmp_path, provider, broker=broker)
    try:
        place.worker("worker")
        place.wait_for(lambda: "ready" in (tmp_path / "worker.log").read_text())
        made = taken_in(platform, at, method="POST", body="body")
        place.wait_for(lambda: shown(platform, at, made)["state"] == "completed")
        answer = post(platform, at, {"Prefer": "respond-async, wait=60"})
        assert (answer.status, answer.body) == (200, b"done")
    finally:
        place.close()


def test_however_workers_are_killed_each_unsafe_call_is_sent_at_most_once(
    at: World, cust: Connection, provider: Provider, place: Place
) -> None:
    """And each ends: made, or not known. Killed at any moment, also between the mark and the first byte."""
    chance = random.Random(20261125)
    made = [waiting(at, cust, method="POST", url=f"/unsafe/{number}") for number in range(60)]
    made += [waiting(at, cust, url=f"/safe/{number}") for number in range(60)]
    for number in range(4):
        provider.may_answer.clear()
        place.send("sweep_receipts")
        worker = place.worker(f"killed-{number}")
        wanted = len(provider.calls) + chance.randint(1, 20)
        place.wait_for(lambda wanted=wanted: len(provider.calls) >= wanted or is_over())  # type: ignore[misc]
        provider.may_answer.set()
        time.sleep(chance.random() * 0.2)
        kill(worker)
        lapse()
    place.worker("last")
    place.send("sweep_receipts")
    place.wait_for(is_over)
    sent = Counter(call.split(b" ")[1].decode() for call in provider.calls)
    rows = {row.pk: row for row in Receipt.objects.all()}
    states = Counter((row.method, row.state) for row in rows.values())
    for number, one in enumerate(made[:60]):
        times, state = sent[f"/unsafe/{number}"], rows[one.pk].state
        assert times <= 1, (number, times, state)
        assert state in (State.COMPLETED, State.OUTCOME_UNKNOWN), state
        assert times == 1 or state == State.OUTCOME_UNKNOWN
    assert states["POST", State.OUTCOME_UNKNOWN] >= 1, "a kill met some"
    assert states["POST", State.COMPLETED] >= 1
    assert {rows[one.pk].state for one in made[60:]} <= {State.COMPLETED, State.OUTCOME_UNKNOWN}
    assert Event.objects.filter(type="receipt.completed").count() == 120
    assert body_of(provider.calls[0]) in (b"body", b"")
