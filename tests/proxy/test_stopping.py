"""A process that is told to stop: what a provider has rotated is stored first (OPS-10)."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from integrations.errors import RefreshUnavailable
from integrations.models import Connection
from proxy import refreshing
from proxy.refreshing import Refreshes
from tests import factories
from tests.factories import World
from tests.proxy.calls import bearer
from tests.proxy.conftest import TOKEN, Serve
from tests.proxy.test_processes import processes
from tests.proxy.test_refreshes import calls_of, expired_unless, hubspot

CUST = uuid.UUID(int=1)


def fly(refreshes: Refreshes, *, wait_seconds: float = 30) -> asyncio.Task[Any]:
    return asyncio.create_task(refreshes.fresh(CUST, provider_id="hubspot", wait_seconds=wait_seconds))


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 30)


async def test_ops_10_a_refresh_that_has_begun_is_seen_to_its_end_although_its_caller_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, answered, stored = threading.Event(), threading.Event(), threading.Event()

    def ensure_fresh(*_: Any, **__: Any) -> None:
        asked.set()
        assert answered.wait(30)
        stored.set()

    monkeypatch.setattr(refreshing, "ensure_fresh", ensure_fresh)
    refreshes = Refreshes()
    caller = fly(refreshes, wait_seconds=0.01)
    with pytest.raises(RefreshUnavailable):
        await caller
    await until(asked)
    closing = asyncio.create_task(refreshes.close())
    await asyncio.sleep(0.05)
    assert not closing.done()
    answered.set()
    await closing
    assert stored.is_set()


async def test_ops_10_waiting_for_another_process_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = threading.Event()

    def ensure_fresh(*_: Any, sleep: Callable[[float], None], **__: Any) -> None:
        waits.set()
        sleep(3_600)

    monkeypatch.setattr(refreshing, "ensure_fresh", ensure_fresh)
    refreshes = Refreshes()
    caller = fly(refreshes)
    await until(waits)
    await refreshes.close()
    with pytest.raises(RefreshUnavailable, match="being stopped"):
        await caller


async def test_ops_10_nothing_is_begun_by_a_process_that_is_being_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[Any] = []
    answered = threading.Event()

    def ensure_fresh(connection_id: uuid.UUID, **_: Any) -> None:
        begun.append(connection_id)
        assert answered.wait(30)

    monkeypatch.setattr(refreshing, "ensure_fresh", ensure_fresh)
    refreshes = Refreshes()
    others = [uuid.uuid4() for _ in range(refreshing.THREADS_PER_PROVIDER + 4)]
    callers = [
        asyncio.create_task(refreshes.fresh(one, provider_id="hubspot", wait_seconds=30)) for one in others
    ]
    while len(begun) < refreshing.THREADS_PER_PROVIDER:
        await asyncio.sleep(0.01)
    closing = asyncio.create_task(refreshes.close())
    await asyncio.sleep(0)
    answered.set()
    await closing
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert len(begun) == refreshing.THREADS_PER_PROVIDER
    assert sum(isinstance(one, RefreshUnavailable) for one in outcomes) == 4


@pytest.mark.served
@pytest.mark.slow
def test_ops_10_a_web_process_stores_what_was_rotated_after_its_calls_were_cut_off(
    at: World, provider: Serve
) -> None:
    """The server gives calls a second to end; the token endpoint takes four."""
    factories.connection(at, "cust", access_token=TOKEN, expires_in=0)
    upstream = provider(hubspot(expired_unless("token-1"), delay=4.0))
    options = ("--timeout-graceful-shutdown", "1")
    with processes(1, upstream_port=upstream.port, options=options) as (one,), one.connect() as sock:
        fields = "".join(f"{name}: {value}\r\n" for name, value in bearer(at).items())
        sock.sendall(f"GET /proxy/hbdev/cust/x HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        while not calls_of(upstream)[1]:
            time.sleep(0.02)
    assert Connection.objects.get().token_version == 2
