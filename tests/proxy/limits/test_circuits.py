"""When a provider is left alone, for whom, and when it is asked again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from proxy.limits import circuits as module
from proxy.limits.circuits import (
    MAX_OPEN_SECONDS,
    OPEN_SECONDS,
    PROBE_SECONDS,
    ROW_SECONDS,
    UNANSWERED_IN_ROW,
    UNCONNECTED_IN_ROW,
    Circuits,
    Key,
)
from tests.proxy.limits.clock import Clock

API, SHOP = "https://api.hubapi.com", "https://one.myshopify.com"
MINE, YOURS = UUID(int=1), UUID(int=2)


@pytest.fixture
def clock(monkeypatch: Any) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def circuits(clock: Clock) -> Circuits:
    return Circuits()


def fail(circuits: Circuits, times: int, *who: UUID, origin: str = API, is_unconnected: bool = False) -> None:
    for number in range(times):
        circuits.failed(origin, who[number % len(who)], is_unconnected=is_unconnected)


def test_connections_that_cannot_be_made_open_the_circuit_of_their_origin_for_everybody(
    circuits: Circuits,
) -> None:
    fail(circuits, UNCONNECTED_IN_ROW - 1, MINE, is_unconnected=True)
    assert circuits.wait_seconds(API, MINE) == 0
    fail(circuits, 1, MINE, is_unconnected=True)
    assert circuits.wait_seconds(API, YOURS) == OPEN_SECONDS
    assert circuits.wait_seconds(SHOP, MINE) == 0


def test_calls_without_an_answer_open_it_for_everybody_when_several_connections_met_them(
    circuits: Circuits,
) -> None:
    fail(circuits, UNANSWERED_IN_ROW - 1, MINE, YOURS)
    assert circuits.wait_seconds(API, MINE) == 0
    fail(circuits, 1, MINE)
    assert circuits.wait_seconds(API, UUID(int=3)) == OPEN_SECONDS


def test_one_connections_own_failures_open_it_for_that_connection_alone(circuits: Circuits) -> None:
    fail(circuits, UNANSWERED_IN_ROW, MINE)
    assert circuits.wait_seconds(API, MINE) == OPEN_SECONDS
    assert circuits.wait_seconds(API, YOURS) == 0


def test_one_good_reply_to_anybody_ends_the_row(circuits: Circuits) -> None:
    for _ in range(10):
        fail(circuits, UNANSWERED_IN_ROW - 1, MINE, YOURS)
        circuits.succeeded(API, YOURS)
    assert circuits.wait_seconds(API, MINE) == 0
    assert circuits.is_quiet


def test_failures_far_apart_are_no_row(circuits: Circuits, clock: Clock) -> None:
    for _ in range(UNANSWERED_IN_ROW * 2):
        clock.now += ROW_SECONDS + 1
        fail(circuits, 1, MINE, is_unconnected=True)
    assert circuits.open_circuits() == []


def test_one_call_probes_and_its_success_closes_the_circuit(circuits: Circuits, clock: Clock) -> None:
    fail(circuits, UNCONNECTED_IN_ROW, MINE, is_unconnected=True)
    clock.now += OPEN_SECONDS
    assert circuits.wait_seconds(API, MINE) == 0
    assert circuits.begin(API, MINE) == (Key(API, None),)
    assert circuits.wait_seconds(API, YOURS) == PROBE_SECONDS
    circuits.succeeded(API, MINE)
    assert circuits.wait_seconds(API, YOURS) == 0
    assert circuits.is_quiet


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_minute(
    circuits: Circuits, clock: Clock
) -> None:
    fail(circuits, UNCONNECTED_IN_ROW, MINE, is_unconnected=True)
    waits = []
    for _ in range(5):
        clock.now += circuits.wait_seconds(API, MINE)
        circuits.begin(API, MINE)
        fail(circuits, 1, MINE)
        waits.append(circuits.wait_seconds(API, MINE))
    assert waits == [20, 40, MAX_OPEN_SECONDS, MAX_OPEN_SECONDS, MAX_OPEN_SECONDS]


def test_a_probe_that_tells_nothing_lets_the_next_call_try(circuits: Circuits, clock: Clock) -> None:
    fail(circuits, UNCONNECTED_IN_ROW, MINE, is_unconnected=True)
    clock.now += OPEN_SECONDS
    circuits.give_up(circuits.begin(API, MINE))
    assert circuits.wait_seconds(API, YOURS) == 0


def test_calls_that_were_under_way_when_it_opened_do_not_open_it_for_longer(circuits: Circuits) -> None:
    fail(circuits, UNCONNECTED_IN_ROW + 50, MINE, YOURS, is_unconnected=True)
    assert circuits.wait_seconds(API, MINE) == OPEN_SECONDS
    (told,) = circuits.open_circuits()
    assert (told.origin, told.connection_id, told.failures) == (API, None, UNCONNECTED_IN_ROW + 50)


def test_any_number_of_origins_fits_into_bounded_memory(circuits: Circuits, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_MAX_ROWS", 50)
    for number in range(500):
        fail(circuits, 1, MINE, origin=f"https://{number}.example")
        fail(circuits, UNCONNECTED_IN_ROW, MINE, origin=f"https://open-{number}.example", is_unconnected=True)
    assert len(circuits._rows) <= 50
    assert len(circuits._open) <= 50
