"""What a ticket makes of the replies to its call, tried on the limits alone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from accounts.api.problems import Problem
from integrations import catalogue
from proxy.forwarder import Call
from proxy.limits import Limits, Ticket, gate, told
from proxy.limits import circuits as circuits_module
from proxy.limits.blocks import Scope
from proxy.limits.circuits import OPEN_SECONDS, UNANSWERED_IN_ROW
from proxy.routes import Route
from tests.proxy.limits.clock import Clock

ORIGIN, MINE = "https://graph.microsoft.com", UUID(int=1)


def route_to(provider: str, *, connection: UUID = MINE) -> Route:
    api = catalogue.get(provider).api
    made = SimpleNamespace(
        api=api,
        account="app:account",
        connection_id=connection,
        limit_fields=told.fields_of(api.rate_limit),
        provider=catalogue.get(provider),
        header_timeout=lambda asked: 30.0 if asked is None else asked,
        header_timeout_seconds=30.0,
    )
    return cast(Route, made)


def call_to(path: str = "/x", *, partner: Any = "partner", **more: Any) -> Call:
    target = SimpleNamespace(host="graph.microsoft.com", origin=ORIGIN, raw_path=path)
    made = SimpleNamespace(
        target=target,
        record=SimpleNamespace(partner_id=partner, retries=0),
        content=None,
        retries=0,
        timeout_seconds=None,
    )
    vars(made).update(more)
    return cast(Call, made)


def entered(limits: Limits, provider: str, **more: Any) -> Ticket:
    return limits.enter(route_to(provider), call_to(**more))


@pytest.mark.parametrize(("provider", "is_open"), [("microsoft", False), ("hubspot", True)])
async def test_a_503_that_is_the_providers_way_to_throttle_is_an_answer_and_any_other_an_outage(
    provider: str, is_open: bool
) -> None:
    limits = Limits()
    for number in range(UNANSWERED_IN_ROW):
        entered(limits, provider, path=f"/{number}").answered(503, [(b"Retry-After", b"7")])
    assert bool(limits.open_circuits()) is is_open


async def test_a_503_that_throttles_ends_a_row_of_failures_and_blocks_where_it_was_met() -> None:
    limits = Limits()
    for number in range(UNANSWERED_IN_ROW - 1):
        entered(limits, "microsoft", path=f"/{number}").answered(502, [])
    entered(limits, "microsoft").answered(503, [(b"Retry-After", b"7")])
    entered(limits, "microsoft", path="/0").answered(502, [])
    assert limits.open_circuits() == []
    assert 6 < limits.wait_seconds(route_to("microsoft"), call_to()) <= 7
    assert limits.wait_seconds(route_to("microsoft"), call_to("/y")) == 0


async def test_a_call_is_not_sent_once_more_into_a_circuit_that_opened_meanwhile(monkeypatch: Any) -> None:
    monkeypatch.setattr(circuits_module, "time", clock := Clock())
    limits = Limits()
    tickets = [entered(limits, "hubspot") for _ in range(UNANSWERED_IN_ROW)]
    for ticket in tickets:
        ticket.tries_again()
        ticket.answered(504, [])
    for ticket in tickets:
        with pytest.raises(Problem) as refused:
            ticket.tries_again()
        assert (refused.value.code, refused.value.members["retryAfter"]) == ("circuit_open", OPEN_SECONDS)
    clock.now += OPEN_SECONDS
    tickets[0].tries_again()  # it is the probe
    with pytest.raises(Problem):
        tickets[1].tries_again()
    tickets[0].leave()
    tickets[1].tries_again()
    tickets[1].answered(200, [])
    assert limits.open_circuits() == []


async def test_a_probe_that_told_nothing_does_not_refuse_its_own_next_try(monkeypatch: Any) -> None:
    """As when the caller's short time-out ended it."""
    monkeypatch.setattr(circuits_module, "time", clock := Clock())
    limits = Limits()
    for _ in range(UNANSWERED_IN_ROW):
        entered(limits, "hubspot").answered(504, [])
    clock.now += OPEN_SECONDS
    probe = entered(limits, "hubspot")
    probe.tries_again()
    probe.answered(200, [])
    assert limits.open_circuits() == []


async def test_calls_that_wait_for_a_budget_do_not_all_begin_when_it_is_over_but_each_looks_again() -> None:
    limits, began = Limits(), list[str]()
    limits.budgets.block(Scope("app:account"), 0.05)
    tickets = [entered(limits, "hubspot", retries=1, timeout_seconds=30.0) for _ in range(10)]

    async def go(ticket: Ticket) -> str:
        try:
            await ticket.admitted()
        except Problem as problem:
            return problem.code
        began.append("went")
        if len(began) == 3:  # its reply says that all is used up again
            limits.budgets.block(Scope("app:account"), 60)
        return "went"

    ends = await asyncio.gather(*(go(ticket) for ticket in tickets))
    assert all(ticket.has_to_wait_for_budget for ticket in tickets)
    assert sorted(ends) == ["rate_limited"] * 7 + ["went"] * 3


async def test_of_calls_that_wait_out_the_longest_block_one_tries() -> None:
    limits = Limits()
    limits.budgets.block(Scope("app:account"), 7_200)
    (block,) = limits.budgets._blocks.of_scopes[Scope("app:account")].values()
    block.until = block.began + 0.05
    tickets = [entered(limits, "hubspot", retries=1, timeout_seconds=20.0) for _ in range(5)]
    ends = await asyncio.gather(*(ticket.admitted() for ticket in tickets), return_exceptions=True)
    assert [end for end in ends if not isinstance(end, Problem)] == [None]


async def test_a_wait_for_a_budget_is_not_the_same_for_all(monkeypatch: Any) -> None:
    limits, slept = Limits(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        limits.budgets._blocks.of_scopes.clear()

    monkeypatch.setattr(gate.asyncio, "sleep", sleep)
    for _ in range(20):
        limits.budgets.block(Scope("app:account"), 2.0)
        await entered(limits, "hubspot", retries=1).admitted()
    waits = [seconds for seconds in slept if seconds > 1]
    assert len(waits) == len(set(waits)) == 20
    assert all(1.9 < seconds <= 2.2 for seconds in waits)
