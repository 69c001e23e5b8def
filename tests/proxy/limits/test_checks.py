"""Counts that wait for the cache hold up nobody's look-ups, and no other partner's counts."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from accounts.api.quotas import Quotas
from proxy.limits.checks import _THREADS, Checks
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import bearer, reply
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served


async def test_ops_14_one_partners_counts_that_wait_leave_a_thread_for_anothers() -> None:
    checks, may_go = Checks(), threading.Event()
    counted: list[str] = []

    def count(partner: str, waits: bool) -> None:
        if waits:
            assert may_go.wait(30)
        counted.append(partner)

    flood = [asyncio.create_task(checks.run("a", count, "a", True)) for _ in range(_THREADS * 5)]
    try:
        await asyncio.sleep(0)
        await checks.run("b", count, "b", False)
        assert counted == ["b"]
    finally:
        may_go.set()
    await asyncio.gather(*flood)
    assert counted.count("a") == len(flood)
    assert checks._lines == {}
    checks.close()


async def test_a_count_that_is_refused_or_given_up_lets_the_next_one_be_made() -> None:
    checks, may_go = Checks(), threading.Event()

    def refuse() -> None:
        raise LookupError("over")

    first = asyncio.create_task(checks.run("a", may_go.wait, 30))
    second = asyncio.create_task(checks.run("a", refuse))
    await asyncio.sleep(0)
    second.cancel()
    may_go.set()
    await first
    with pytest.raises(LookupError):
        await checks.run("a", refuse)
    assert checks._lines == {}
    checks.close()


@pytest.mark.served
@pytest.mark.usefixtures("cust")
def test_counts_that_may_wait_are_made_on_threads_of_their_own(
    platform: Served, at: World, provider: Serve, monkeypatch: Any
) -> None:
    provider(replying(reply(body=b"ok")))
    at.partner.requests_per_minute = 50
    at.partner.save()
    threads: list[str] = []

    def take(self: Quotas, partner_id: object, limit: int) -> bool:
        threads.append(threading.current_thread().name)
        return True

    monkeypatch.setattr(Quotas, "take", take)
    monkeypatch.setattr(Quotas, "is_settled", lambda self, partner_id, limit: False)
    assert platform.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
    assert [name.rpartition("_")[0] for name in threads] == ["proxy-quotas"]
