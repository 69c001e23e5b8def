"""What a call asks of the database: nothing when it is warm, and no write ever, with everything on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from accounts.models import Partner
from integrations.models import Connection
from tests import factories
from tests.egress.servers import Conversation
from tests.factories import World
from tests.proxy.calls import bearer, reply
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served
from tests.proxy.test_same_answers import JSON

pytestmark = [pytest.mark.served, pytest.mark.usefixtures("cust")]
CALLS = 60
ENVELOPE = (
    b'{"userForeignIdentifier": "cust", "method": "POST", "url": "/a", "body": {"n": 9007199254740993}}'
)
_WRITING = ("INSERT", "UPDATE", "DELETE", "REPLACE", "BEGIN", "SAVEPOINT", "CREATE")
#: where the traffic log and last uses are written, in batches
_OFF_THE_PATH = ("proxy-flush", "proxy-traffic", "proxy-metrics")


@pytest.fixture(autouse=True)
def _no_last_use_is_written_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite such a commit empties the cache, as any does."""
    monkeypatch.setattr("proxy.last_used.FLUSH_SECONDS", 3_600.0)


def answering(talk: Conversation) -> None:
    while True:
        talk.read_request()
        talk.send(reply("200 OK", b"Content-Type: application/json", body=b'{"id": 9007199254740993}'))


@contextmanager
def watched(
    monkeypatch: pytest.MonkeyPatch, *, refuse: Callable[[str], bool] = lambda sql: False
) -> Iterator[list[tuple[str, str]]]:
    """(thread, statement) of all that any thread sends through Django. What is refused fails as a dead database."""
    seen: list[tuple[str, str]] = []

    def recording(name: str) -> Callable[..., Any]:
        original = getattr(CursorWrapper, name)

        def execute(self: CursorWrapper, sql: str, params: Any = None) -> Any:
            seen.append((threading.current_thread().name, str(sql)))
            if refuse(str(sql)):
                raise OperationalError("refused by the test")
            return original(self, sql, params)

        return execute

    with monkeypatch.context() as patched:
        for name in ("execute", "executemany"):
            patched.setattr(CursorWrapper, name, recording(name))
        yield seen


def is_write(sql: str) -> bool:
    return sql.lstrip().upper().startswith(_WRITING)


def ask(platform: Served, at: World, door: str, number: int = 0) -> int:
    if door == "envelope":
        return platform.call("POST", "/api/v1/proxy/hbdev", bearer(at) | JSON, ENVELOPE).status
    target = f"/proxy/hbdev/cust/crm/objects/{number}?limit={number}"
    return platform.call("POST", target, bearer(at) | JSON, b'{"n":1}').status


@pytest.mark.parametrize("limit", [None, 100_000], ids=["unlimited", "limited"])
@pytest.mark.parametrize("door", ["passthrough", "envelope"])
def test_many_warm_calls_send_no_statement_and_are_answered_by_a_dead_database(
    platform: Served,
    at: World,
    provider: Serve,
    monkeypatch: pytest.MonkeyPatch,
    door: str,
    limit: int | None,
) -> None:
    provider(answering)
    Partner.objects.update(requests_per_minute=limit)
    assert [ask(platform, at, door) for _ in range(2)] == [200, 200]

    with watched(monkeypatch, refuse=lambda sql: True) as seen:
        statuses = {ask(platform, at, door, number) for number in range(CALLS)}

    assert statuses == {200}
    assert [pair for pair in seen if not pair[0].startswith(_OFF_THE_PATH)] == []


def test_a_cold_call_reads_and_writes_nothing(
    platform: Served, at: World, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider(answering)
    for number in range(5):
        factories.connection(at, f"cold-{number}")

    with watched(monkeypatch, refuse=is_write) as seen:
        for number in range(5):
            target = f"/proxy/hbdev/cold-{number}/a"
            assert platform.call("GET", target, bearer(at)).status == 200
            assert platform.call("GET", "/proxy/hbdev/nobody/a", bearer(at)).status == 404

    on_the_path = [sql for thread, sql in seen if not thread.startswith(_OFF_THE_PATH)]
    assert on_the_path
    assert not any(is_write(sql) for sql in on_the_path)


def test_a_route_is_looked_up_with_one_statement(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider(answering)
    factories.connection(at, "another")
    assert ask(platform, at, "passthrough") == 200

    with watched(monkeypatch) as seen:
        assert platform.call("GET", "/proxy/hbdev/another/a", bearer(at)).status == 200

    assert len([sql for thread, sql in seen if not thread.startswith(_OFF_THE_PATH)]) == 1
