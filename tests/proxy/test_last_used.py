"""Last uses: noted at once, written rarely, waited for by nobody."""

from __future__ import annotations

import sqlite3
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Credential
from integrations.models import Connection
from proxy import last_used
from proxy.executors import DatabaseExecutor
from proxy.last_used import LastUsed
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import bearer, reply
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served


async def test_ref_27_two_hundred_uses_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[list[uuid.UUID]] = []
    monkeypatch.setattr(last_used, "write", lambda model, ids: written.append(ids))
    executor = DatabaseExecutor("test", threads=1)
    used = LastUsed(Connection, executor)
    row = uuid.uuid4()
    for _ in range(200):
        used.note(row)
    await used.close()
    used.note(row)
    await used.close()
    executor.close()
    assert written == [[row]]


def test_a_row_written_lately_by_another_process_is_left_alone(cust: Connection) -> None:
    now = timezone.now()
    for before, writes in ((None, 1), (now - timedelta(minutes=11), 1), (now - timedelta(minutes=9), 0)):
        Connection.objects.filter(pk=cust.pk).update(last_used_at=before)
        assert last_used.write(Connection, [cust.pk]) == writes


@pytest.mark.served
@pytest.mark.skipif(connection.vendor != "sqlite", reason="holds SQLite's one write lock")
def test_ref_27_no_call_waits_for_a_row_that_another_transaction_holds(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(replying(reply(body=b"ok")))
    holder = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        began = time.monotonic()
        for _ in range(20):
            assert platform.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
        assert time.monotonic() - began < 15, "SQLite waits for a lock for twenty seconds"
    finally:
        holder.execute("ROLLBACK")
        holder.close()


@pytest.mark.served
def test_what_was_noted_is_written_when_the_server_stops(
    at: World, cust: Connection, provider: Serve
) -> None:
    from tests.proxy.servers import served

    provider(replying(reply(body=b"ok")))
    with served() as platform:
        assert platform.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
    cust.refresh_from_db()
    assert cust.last_used_at is not None
    used: Any = Credential.objects.get(pk=at.credential.pk).last_used_at
    assert used is not None
