"""When a provider is left alone, for whom, and when it is asked again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from proxy.limits import circuits as module
from proxy.limits.circuits import (
    FORGOTTEN_SECONDS,
    MAX_OPEN_SECONDS,
    OPEN_SECONDS,
    PROBE_SECONDS,
    ROW_SECONDS,
    UNANSWERED_IN_ROW,
    UNCONNECTED_IN_ROW,
    Circuits,
    Key,
    Way,
)
from tests.proxy.limits.clock import Clock

API, SHOP = "https://api.hubapi.com", "https://one.myshopify.com"
#: ways of two partners, and the second way of the first one
MINE, YOURS, MINE_TOO = (
    Way(API, partner, UUID(int=number)) for partner, number in (("me", 1), ("you", 2), ("me", 3))
)


@pytest.fixture
def clock(monkeypatch: Any) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def circuits(clock: Clock) -> Circuits:
    return Circuits()


def fail(circuits: Circuits, times: int, *ways: Way, is_unconnected: bool = False) -> None:
    for number in range(times):
        circuits.failed(ways[number % len(ways)], is_unconnected=is_unconnected)


def waits(circuits: Circuits, *ways: Way) -> list[float]:
    return [circuits.wait_seconds(way) for way in ways]


def test_connections_that_cannot_be_made_open_the_circuit_for_everybody_when_partners_met_them(
    circuits: Circuits,
) -> None:
    fail(circuits, UNCONNECTED_IN_ROW - 1, MINE, YOURS, is_unconnected=True)
    assert circuits.wait_seconds(MINE) == 0
    fail(circuits, 1, YOURS, is_unconnected=True)
    assert circuits.wait_seconds(Way(API, "third", UUID(int=4))) == OPEN_SECONDS
    assert circuits.wait_seconds(MINE._replace(origin=SHOP)) == 0


def test_connections_that_one_connection_cannot_make_open_it_for_its_partner(circuits: Circuits) -> None:
    fail(circuits, UNCONNECTED_IN_ROW, MINE, is_unconnected=True)
    assert waits(circuits, MINE, MINE_TOO, YOURS) == [OPEN_SECONDS, OPEN_SECONDS, 0]


def test_calls_without_an_answer_open_it_for_everybody_when_several_partners_met_them(
    circuits: Circuits,
) -> None:
    fail(circuits, UNANSWERED_IN_ROW - 1, MINE, MINE_TOO, YOURS)
    assert circuits.wait_seconds(MINE) == 0
    fail(circuits, 1, MINE)
    assert circuits.wait_seconds(Way(API, "third", UUID(int=4))) == OPEN_SECONDS


def test_one_partners_failures_open_it_for_no_other_partner(circuits: Circuits) -> None:
    fail(circuits, UNANSWERED_IN_ROW * 3, MINE, MINE_TOO)
    assert waits(circuits, MINE, MINE_TOO, YOURS) == [OPEN_SECONDS, OPEN_SECONDS, 0]
    fail(circuits, UNANSWERED_IN_ROW, YOURS)
    assert circuits.wait_seconds(Way(API, "third", UUID(int=4))) == 0


def test_one_connections_own_failures_open_it_for_that_connection_alone(circuits: Circuits) -> None:
    fail(circuits, UNANSWERED_IN_ROW, MINE)
    assert waits(circuits, MINE, MINE_TOO, YOURS) == [OPEN_SECONDS, 0, 0]


def test_one_good_reply_to_anybody_ends_the_row(circuits: Circuits) -> None:
    for _ in range(10):
        fail(circuits, UNANSWERED_IN_ROW - 1, MINE, YOURS)
        circuits.succeeded(YOURS)
    assert circuits.wait_seconds(MINE) == 0
    assert circuits.is_quiet


def test_failures_far_apart_are_no_row(circuits: Circuits, clock: Clock) -> None:
    for _ in range(UNANSWERED_IN_ROW * 2):
        clock.now += ROW_SECONDS + 1
        fail(circuits, 1, MINE, is_unconnected=True)
    assert circuits.open_circuits() == []


def test_one_call_probes_and_its_success_closes_the_circuit(circuits: Circuits, clock: Clock) -> None:
    fail(circuits, UNCONNECTED_IN_ROW, MINE, YOURS, is_unconnected=True)
    clock.now += OPEN_SECONDS
    assert circuits.wait_seconds(MINE) == 0
    assert circuits.begin(MINE) == (Key(API),)
    assert circuits.wait_seconds(YOURS) == PROBE_SECONDS
    circuits.succeeded(MINE)
    assert circuits.wait_seconds(YOURS) == 0
    assert circuits.is_quiet


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_minute(
    circuits: Circuits, clock: Clock
) -> None:
    fail(circuits, UNCONNECTED_IN_ROW, MINE, YOURS, is_unconnected=True)
    seconds = []
    for _ in range(5):
        clock.now += circuits.wait_seconds(MINE)
        circuits.begin(MINE)
        fail(circuits, 1, MINE)
        seconds.append(circuits.wait_seconds(MINE))
    assert seconds == [20, 40, MAX_OPEN_SECONDS, MAX_OPEN_SECONDS, MAX_OPEN_SECONDS]


def test_a_probe_that_tells_nothing_lets_the_next_call_try(circuits: Circuits, clock: Clock) -> None:
    fail(circuits, UNCONNECTED_IN_ROW, MINE, YOURS, is_unconnected=True)
    clock.now += OPEN_SECONDS
    circuits.give_up(circuits.begin(MINE))
    assert circuits.wait_seconds(YOURS) == 0


def test_calls_that_were_under_way_when_it_opened_do_not_open_it_for_longer(circuits: Circuits) -> None:
    fail(circuits, UNCONNECTED_IN_ROW + 50, MINE, YOURS, is_unconnected=True)
    assert circuits.wait_seconds(MINE) == OPEN_SECONDS
    (told,) = circuits.open_circuits()
    assert (told.origin, told.partner, told.connection_id) == (API, None, None)
    assert told.failures == UNCONNECTED_IN_ROW + 50


def test_any_number_of_origins_fits_into_bounded_memory(circuits: Circuits, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_MAX_ROWS", 50)
    for number in range(500):
        fail(circuits, 1, MINE._replace(origin=f"https://{number}.example"))
        way = MINE._replace(origin=f"https://open-{number}.example")
        fail(circuits, UNCONNECTED_IN_ROW, way, is_unconnected=True)
    assert len(circuits._rows) <= 50
    assert len(circuits._open) <= 50


def test_rows_that_ended_are_let_go_so_that_calls_elsewhere_are_quiet_again(
    circuits: Circuits, clock: Clock
) -> None:
    for number in range(20):
        fail(circuits, 1, MINE._replace(origin=f"https://{number}.example"))
    clock.now += ROW_SECONDS + 1
    fail(circuits, 1, MINE)
    assert list(circuits._rows) == [API]


def test_a_circuit_that_nobody_comes_to_any_more_is_let_go(circuits: Circuits, clock: Clock) -> None:
    fail(circuits, UNCONNECTED_IN_ROW, MINE._replace(origin=SHOP), is_unconnected=True)
    clock.now += FORGOTTEN_SECONDS + OPEN_SECONDS + 1
    fail(circuits, UNCONNECTED_IN_ROW, MINE, is_unconnected=True)
    assert [each.origin for each in circuits.open_circuits()] == [API]
