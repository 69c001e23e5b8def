"""What a customer is told of a connection's use: numbers by kind, out of the traffic log, found quickly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.connect import Activity, Calls
from integrations.models import Connection
from proxy import activity
from tests import factories
from tests.factories import World
from tests.proxy.traffic.records import record, store

pytestmark = [pytest.mark.django_db, pytest.mark.db]
NOW = timezone.now()


@pytest.fixture
def connection(world: World) -> Connection:
    return factories.connection(world, "cust")


def call(connection: Connection, *, days_ago: float = 0.0, **values: Any) -> Any:
    moment = (NOW - timedelta(days=days_ago)).timestamp()
    ids = {"partner_id": connection.partner_id, "connection_id": connection.pk}
    return record(**(ids | {"began_at": moment} | values))


def of(connection: Connection) -> Activity:
    return activity.of_connections([connection.pk])[connection.pk]


def counts(connection: Connection) -> tuple[int, int, int]:
    found = of(connection)
    return found.reads.whole, found.changes.whole, found.deletions.whole


def test_calls_are_counted_by_kind_in_the_day_and_in_the_month(connection: Connection) -> None:
    store(
        [call(connection, days_ago=days) for days in (0.1, 0.9, 1.1, 29.9, 30.1)]
        + [call(connection, method="PATCH", days_ago=2)]
        + [call(connection, method="DELETE", days_ago=0.5)]
    )
    found = of(connection)
    assert (found.days, found.newest_only) == (30, None)
    assert [(kind.day, kind.whole) for kind in (found.reads, found.changes, found.deletions)] == [
        (2, 4),
        (0, 1),
        (1, 1),
    ]
    for kind, days_ago in ((found.reads, 0.1), (found.changes, 2), (found.deletions, 0.5)):
        assert kind.last_at is not None
        assert abs(kind.last_at - (NOW - timedelta(days=days_ago))) < timedelta(seconds=1)
    assert found.last_at == found.reads.last_at


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/crm/v3/objects/contacts", "reads"),
        ("HEAD", "/crm/v3/objects/contacts/1", "reads"),
        ("OPTIONS", "/", "reads"),
        ("POST", "/crm/v3/objects/contacts/search", "reads"),
        ("POST", "/crm/v3/objects/contacts/batch/read", "reads"),
        ("POST", "/api/conversations.list", "reads"),
        ("POST", "/crm/v3/objects/contacts", "changes"),
        ("PUT", "/crm/v3/objects/contacts/search", "changes"),
        ("PATCH", "/crm/v3/objects/contacts/1", "changes"),
        ("POST", "/api/chat.postMessage", "changes"),
        ("PROPFIND", "/dav", "changes"),
        ("DELETE", "/crm/v3/objects/contacts/1", "deletions"),
        ("POST", "/crm/v3/objects/contacts/batch/archive", "deletions"),
        ("POST", "/api/chat.delete", "deletions"),
    ],
)
def test_a_call_is_of_the_kind_that_it_does(
    connection: Connection, method: str, path: str, kind: str
) -> None:
    store([call(connection, method=method, path=path)])
    assert [name for name in ("reads", "changes", "deletions") if getattr(of(connection), name).whole] == [
        kind
    ]


@pytest.mark.parametrize(
    ("values", "is_counted"),
    [
        ({"status": 404}, True),
        ({"status": 504, "code": "upstream_timeout", "headers_at": 0.0}, True),
        ({"status": 0, "outcome": "partner_gone", "headers_at": 0.0}, True),
        ({"status": 423, "code": "connection_paused", "headers_at": 0.0}, False),
        ({"status": 502, "code": "upstream_unreachable", "headers_at": 0.0}, False),
        ({"status": 0, "outcome": "partner_gone", "headers_at": 0.0, "host": ""}, False),
    ],
    ids=["not found there", "timed out", "left before the reply", "paused", "unreachable", "left before it"],
)
def test_only_calls_that_may_have_reached_the_provider_count(
    connection: Connection, values: dict[str, Any], is_counted: bool
) -> None:
    store([call(connection, **values)])
    assert counts(connection) == (int(is_counted), 0, 0)


def test_a_connection_without_calls_was_used_for_nothing(connection: Connection, world: World) -> None:
    other = factories.connection(world, "other")
    store([call(other), call(connection, connection_id=None)])
    assert of(connection) == Activity(30, Calls(), Calls(), Calls())
    assert of(connection).last_at is None
    assert counts(other) == (1, 0, 0)


def test_the_newest_calls_are_counted_where_there_are_many(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MAX_ENTRIES", 3)
    store([call(connection, days_ago=days) for days in (1, 2)])
    assert of(connection).newest_only is None
    store([call(connection, method="PUT", days_ago=0.1), call(connection, method="PUT", days_ago=0.2)])
    assert counts(connection) == (1, 2, 0)
    assert of(connection).newest_only == 3


def test_many_connections_share_what_is_looked_at(
    connection: Connection, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MAX_ENTRIES_IN_ALL", 4)
    other = factories.connection(world, "other")
    store([call(row) for row in (connection, other) for _ in range(3)])
    found = activity.of_connections([connection.pk, other.pk])
    assert [row.reads.whole for row in found.values()] == [2, 2]


def test_it_looks_no_further_back_than_entries_are_kept(connection: Connection, settings: Any) -> None:
    settings.TRAFFIC_DAYS = 7
    store([call(connection, days_ago=days) for days in (6, 8)])
    assert (of(connection).days, of(connection).reads.whole) == (7, 1)


@pytest.mark.parametrize("kept", ["errors", "off"])
def test_nothing_is_said_where_not_every_call_is_kept(
    connection: Connection, settings: Any, kept: str
) -> None:
    store([call(connection)])
    settings.TRAFFIC_LOG = kept
    assert activity.of_connections([connection.pk]) == {}


def test_one_statement_a_connection_that_walks_the_index_of_connections(
    connection: Connection,
) -> None:
    with CaptureQueriesContext(database) as queries:
        activity.of_connections([connection.pk, uuid4()])
    assert len(queries) == 2
    if database.vendor == "sqlite":
        with database.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
            plan = " | ".join(row[3] for row in cursor.fetchall())
        assert "traffic_by_connection (connection_id=? AND id>?)" in plan
        assert "TEMP B-TREE" not in plan
