"""Many calls at once in one process, and how a run of them ends."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.db import OperationalError

from accounts.models import Event
from accounts.shared_flag import SharedFlag
from integrations.models import Connection
from proxy import plane as planes
from proxy import tasks
from proxy.models import Receipt
from proxy.models.receipt import State
from proxy.receipts import claims, execution, runner
from tests.factories import World
from tests.proxy.receipts.made import waiting
from tests.proxy.receipts.runs import Held, Slow, failing, now_of, wait_for, working

pytestmark = [pytest.mark.served, pytest.mark.db]


def test_calls_are_under_way_side_by_side_and_one_partner_leaves_places_for_others(
    at: World, cust: Connection, slow: Slow, settings: Any
) -> None:
    settings.RECEIPTS_AT_ONCE = 4
    for _ in range(5):
        waiting(at, cust)
    thread = working()
    slow.wait_until_asked(3)
    assert Receipt.objects.filter(state=State.RUNNING).count() == 3
    assert not slow.asked.acquire(timeout=0.3)
    slow.may_answer.set()
    thread.join(20)
    assert set(Receipt.objects.values_list("state", flat=True)) == {State.COMPLETED}


def test_one_run_at_a_time_in_a_process_and_it_looks_again_when_asked(
    at: World, cust: Connection, slow: Slow
) -> None:
    waiting(at, cust)
    thread = working()
    slow.wait_until_asked()
    waiting(at, cust)
    assert tasks.run_receipts() is None, "the first one is at it"
    slow.wait_until_asked()
    slow.may_answer.set()
    thread.join(20)
    assert set(Receipt.objects.values_list("state", flat=True)) == {State.COMPLETED}
    assert tasks.run_receipts() == 0


@pytest.mark.parametrize("hears_the_signal", [True, False], ids=["itself", "of-a-pool"])
def test_a_process_that_is_asked_to_end_waits_for_what_it_sent_and_hands_the_rest_back(
    at: World, cust: Connection, slow: Slow, monkeypatch: Any, hears_the_signal: bool
) -> None:
    """Those of a prefork pool hear no signal: they share a flag with the process that does."""
    monkeypatch.setattr(runner, "_stopping", SharedFlag())
    monkeypatch.setattr(runner, "_LOOK_SECONDS", 0.05)
    sent, unsent = waiting(at, cust, method="POST"), waiting(at, cust)
    held = Held(unsent)
    monkeypatch.setattr(execution, "_prepared", held)
    thread = working()
    slow.wait_until_asked()
    assert held.is_held.wait(20)
    later = waiting(at, cust)
    if hears_the_signal:
        runner.stop()
    else:
        runner._stopping.set()
    wait_for(lambda: now_of(unsent).state == State.PENDING)
    assert (now_of(unsent).tries, now_of(unsent).lease_owner) == (0, None)
    assert thread.is_alive(), "it waits for the reply to what it has sent"
    assert tasks.run_receipts() == 0, "and takes up nothing more"
    held.may_go_on.set()
    slow.may_answer.set()
    thread.join(20)
    assert not thread.is_alive()
    assert now_of(sent).state == State.COMPLETED
    assert (now_of(unsent).state, now_of(later).state) == (State.PENDING, State.PENDING)
    assert not slow.asked.acquire(timeout=0.1), "nothing else was sent"


@pytest.mark.parametrize("is_cut_off", [True, False], ids=["cut-off", "defect"])
def test_a_run_that_ends_early_hands_back_what_it_has_not_sent_and_sees_to_the_rest(
    at: World, cust: Connection, slow: Slow, monkeypatch: Any, is_cut_off: bool
) -> None:
    """A time limit of the worker's, or a defect of ours: no lease is left to run out under a call."""
    monkeypatch.setattr(runner, "RENEW_SECONDS", 0.1)
    sent, unsent = waiting(at, cust, method="POST"), waiting(at, cust)
    held = Held(unsent)
    monkeypatch.setattr(execution, "_prepared", held)
    plane = planes._on_thread()
    run = runner._current = runner._Run()
    future = asyncio.run_coroutine_threadsafe(run._work(plane), plane.loop)
    slow.wait_until_asked()
    assert held.is_held.wait(20)
    if is_cut_off:
        future.cancel()
    else:
        monkeypatch.setattr(claims, "claim", failing(claims.claim, [ZeroDivisionError()]))
        run.look_again()
    wait_for(lambda: now_of(unsent).state == State.PENDING)
    assert (now_of(unsent).tries, now_of(unsent).lease_owner) == (0, None)
    before = now_of(sent).lease_expires_at
    wait_for(lambda: now_of(sent).lease_expires_at != before)
    held.may_go_on.set()
    slow.may_answer.set()
    wait_for(lambda: now_of(sent).state == State.COMPLETED)
    if not is_cut_off:
        with pytest.raises(ZeroDivisionError):
            future.result(20)
    assert tasks.run_receipts() == 1, "another run may begin"
    assert now_of(unsent).state == State.COMPLETED


def test_a_run_that_ends_early_waits_for_what_it_sent_without_looking_all_the_time(
    at: World, cust: Connection, slow: Slow, monkeypatch: Any
) -> None:
    """The process is told to end, which asks for one more look, while a run that was cut off waits for a reply."""
    waiting(at, cust, method="POST")
    plane = planes._on_thread()
    run = runner._current = runner._Run()
    looks = 0
    something = run._something

    async def counted(*args: Any, **kwargs: Any) -> None:
        nonlocal looks
        looks += 1
        await something(*args, **kwargs)

    monkeypatch.setattr(run, "_something", counted)
    future = asyncio.run_coroutine_threadsafe(run._work(plane), plane.loop)
    slow.wait_until_asked()
    monkeypatch.setattr(claims, "claim", failing(claims.claim, [ZeroDivisionError()]))
    run.look_again()
    wait_for(lambda: runner._current is None)
    run.look_again()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), plane.loop).result(20)
    assert looks < 10
    slow.may_answer.set()
    with pytest.raises(ZeroDivisionError):
        future.result(20)


def test_leases_are_renewed_while_a_call_takes_long_and_a_lost_one_ends_it(
    at: World, cust: Connection, slow: Slow, monkeypatch: Any
) -> None:
    monkeypatch.setattr(runner, "RENEW_SECONDS", 0.1)
    made = waiting(at, cust)
    thread = working()
    slow.wait_until_asked()
    before = now_of(made).lease_expires_at
    wait_for(lambda: now_of(made).lease_expires_at != before)
    Receipt.objects.update(lease_owner=None, lease_expires_at=None, state=State.OUTCOME_UNKNOWN)
    thread.join(20)
    assert not thread.is_alive(), "it does not wait for a reply that it may not store"
    assert now_of(made).state == State.OUTCOME_UNKNOWN
    assert not Event.objects.exists()


def test_leases_are_renewed_soon_after_the_database_is_back(
    at: World, cust: Connection, slow: Slow, monkeypatch: Any
) -> None:
    """Before others see to what the outage has let run out."""
    monkeypatch.setattr(runner, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(runner, "_RETRY_SECONDS", 0.1)
    real, was_away = claims.renew, threading.Event()

    def renew(owners: Any) -> Any:
        if was_away.is_set():
            return real(owners)
        monkeypatch.setattr(runner, "RENEW_SECONDS", 1000.0)
        was_away.set()
        raise OperationalError("away")

    monkeypatch.setattr(claims, "renew", renew)
    made = waiting(at, cust)
    thread = working()
    slow.wait_until_asked()
    assert was_away.wait(20)
    before = now_of(made).lease_expires_at
    wait_for(lambda: now_of(made).lease_expires_at != before)
    slow.may_answer.set()
    thread.join(20)
