"""What a ticket makes of the replies to its call, tried on the limits alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from accounts.api.problems import Problem
from integrations import catalogue
from proxy.forwarder import Call
from proxy.limits import Limits, Ticket, told
from proxy.limits import circuits as circuits_module
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
