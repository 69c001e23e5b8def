"""Contract section 7, as far as it goes: each change leaves its event; delivery comes later."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.contract.browser import Browser
from tests.contract.outside import Outside

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]


def events(outside: Outside, connection_id: str) -> list[tuple[str, dict[str, Any]]]:
    """(type, data) of the connection's events, oldest first."""
    db = outside.database()
    rows = db.execute(
        "SELECT type, data FROM accounts_event WHERE connection_id = ? ORDER BY occurred_at, rowid",
        [uuid.UUID(connection_id).hex],
    ).fetchall()
    db.close()
    return [(kind, json.loads(data)) for kind, data in rows]


def test_a_connections_life_is_told_event_by_event(outside: Outside) -> None:
    hub_id = outside.account()
    customer = outside.customer()
    link = outside.link(customer)
    assert events(outside, link["UUID"]) == []
    Browser().walk(link["url"], hub_id=str(hub_id))
    path = f"/api/v1/connections/{link['UUID']}"
    outside.call("POST", f"{path}/pause")
    outside.call("POST", f"{path}/resume")
    outside.control("POST", "/uninstall", {"hubId": hub_id})
    outside.call("POST", f"{path}/refresh")
    outside.call("POST", f"{path}/refresh")
    again = outside.link(customer)
    Browser().walk(again["url"], hub_id=str(hub_id))
    outside.call("DELETE", path)
    told = [kind for kind, _ in events(outside, link["UUID"]) if kind != "connection.deleted"]
    assert told == [
        "connection.created",
        "connection.updated",
        "connection.updated",
        "connection.reconnect_required",
        "connection.recovered",
    ]


def test_events_carry_the_connection_as_the_api_shows_it_and_no_secret(outside: Outside) -> None:
    customer = outside.customer()
    made = outside.adopt(customer)
    ((kind, data),) = events(outside, made["UUID"])
    assert kind == "connection.created"
    assert set(made) <= set(data)
    assert data["userForeignIdentifier"] == customer
    for token in outside.control("GET", "/state")["accessTokens"]:
        assert token["token"] not in json.dumps(data)
