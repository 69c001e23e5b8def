"""What is learnt of a provider's limit, for what, and for how long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from integrations import catalogue
from proxy.forwarder import Call
from proxy.limits import budgets as module
from proxy.limits import told
from proxy.limits.budgets import MAX_BLOCK_SECONDS, PROBE_SECONDS, Budgets, Scope
from proxy.routes import Route
from tests.proxy.limits.clock import Clock

ACCOUNT = "app:account"
CONTACTS, SEARCH = "api/contacts", "api/search"


@pytest.fixture
def clock(monkeypatch: Any) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def budgets(clock: Clock) -> Budgets:
    return Budgets()


def answer(
    budgets: Budgets,
    status: int,
    *fields: tuple[str, str],
    provider: str = "hubspot",
    path: str = "contacts",
    called_at: float | None = None,
) -> None:
    """A reply with these fields to a call that began now, unless another moment is given."""
    api = catalogue.get(provider).api
    route = SimpleNamespace(api=api, account=ACCOUNT, limit_fields=told.fields_of(api.rate_limit))
    call = SimpleNamespace(target=SimpleNamespace(host="api", raw_path=f"/{path}"))
    now = module.time.monotonic()
    raw = [(name.encode(), value.encode()) for name, value in fields]
    budgets.learn(
        cast(Route, route), cast(Call, call), status, raw, called_at=now if called_at is None else called_at
    )


def hubspot(remaining: int) -> tuple[tuple[str, str], ...]:
    return (
        ("X-HubSpot-RateLimit-Max", "110"),
        ("X-HubSpot-RateLimit-Remaining", str(remaining)),
        ("X-HubSpot-RateLimit-Interval-Milliseconds", "10000"),
    )


def wait(budgets: Budgets, where: str = CONTACTS) -> float:
    return budgets.wait_seconds(ACCOUNT, where)


def test_nothing_remaining_blocks_the_account_until_the_window_that_was_seen_ends(
    budgets: Budgets, clock: Clock
) -> None:
    answer(budgets, 200, *hubspot(3))
    clock.now += 4
    answer(budgets, 200, *hubspot(0))
    assert wait(budgets) == wait(budgets, SEARCH) == 6.0
    assert budgets.wait_seconds("app:other", CONTACTS) == 0
    clock.now += 6
    assert wait(budgets) == 0
    assert budgets.are_free


def test_a_budget_that_rises_tells_of_a_new_window_and_replies_out_of_order_do_not(
    budgets: Budgets, clock: Clock
) -> None:
    answer(budgets, 200, *hubspot(50))
    clock.now += 5
    answer(budgets, 200, *hubspot(109))
    clock.now += 1
    answer(budgets, 200, *hubspot(100))
    answer(budgets, 200, *hubspot(103))
    clock.now += 1
    answer(budgets, 200, *hubspot(0))
    assert wait(budgets) == 8.0


def test_a_reply_to_a_call_from_before_the_block_does_not_end_it(budgets: Budgets, clock: Clock) -> None:
    answer(budgets, 200, *hubspot(0))
    before = clock.now - 1
    clock.now += 1
    answer(budgets, 200, *hubspot(60), called_at=before)
    assert wait(budgets) > 0
    answer(budgets, 200, *hubspot(109))
    assert wait(budgets) == 0


@pytest.mark.parametrize("status", [401, 403, 500, 502, 503])
def test_errors_and_missing_credentials_teach_nothing(budgets: Budgets, status: int) -> None:
    answer(budgets, status, *hubspot(0), ("Retry-After", "60"))
    assert budgets.are_free


def test_prx_29_too_many_requests_with_a_time_blocks_for_that_time(budgets: Budgets, clock: Clock) -> None:
    answer(budgets, 429, *hubspot(0), ("Retry-After", "120"))
    assert wait(budgets, SEARCH) == 120
    clock.now += 120
    assert wait(budgets) == 0


def test_search_tells_no_limit_and_blocks_itself_alone_when_it_says_when(budgets: Budgets) -> None:
    answer(budgets, 200, *hubspot(50))
    answer(budgets, 429, path="search")
    assert budgets.are_free
    answer(budgets, 429, ("Retry-After", "1"), path="search")
    assert (wait(budgets, SEARCH), wait(budgets, CONTACTS)) == (1, 0)


def test_a_limit_that_leaves_something_of_the_accounts_is_another_limit(budgets: Budgets) -> None:
    answer(budgets, 429, *hubspot(50), ("Retry-After", "5"))
    assert (wait(budgets, CONTACTS), wait(budgets, SEARCH)) == (5, 0)


def test_an_account_with_several_limits_is_blocked_where_the_empty_one_was_told(budgets: Budgets) -> None:
    def github(limit: int, remaining: int) -> tuple[tuple[str, str], ...]:
        return (
            ("X-RateLimit-Limit", str(limit)),
            ("X-RateLimit-Remaining", str(remaining)),
            ("X-RateLimit-Reset", "99999999999"),
        )

    answer(budgets, 200, *github(5000, 4000), provider="github")
    answer(budgets, 200, *github(30, 0), provider="github", path="search")
    assert wait(budgets, SEARCH) == MAX_BLOCK_SECONDS
    assert wait(budgets, CONTACTS) == 0


@pytest.mark.parametrize("provider", ["quickbooks", "slack"])
def test_a_provider_that_tells_of_no_window_is_blocked_where_the_limit_was_met(
    budgets: Budgets, provider: str
) -> None:
    answer(budgets, 429, ("Retry-After", "30"), provider=provider)
    assert (wait(budgets, CONTACTS), wait(budgets, SEARCH)) == (30, 0)


def test_no_block_is_longer_than_a_quarter_of_an_hour_and_then_one_call_at_a_time_tries(
    budgets: Budgets, clock: Clock
) -> None:
    budgets.block(Scope(ACCOUNT, ""), 7_200)
    assert wait(budgets) == MAX_BLOCK_SECONDS
    clock.now += MAX_BLOCK_SECONDS
    assert wait(budgets) == 0
    budgets.begin(ACCOUNT, CONTACTS)
    assert wait(budgets) == PROBE_SECONDS
    answer(budgets, 429, *hubspot(0), ("Retry-After", "7200"))
    assert wait(budgets) == MAX_BLOCK_SECONDS
    clock.now += MAX_BLOCK_SECONDS
    budgets.begin(ACCOUNT, CONTACTS)
    answer(budgets, 200, *hubspot(109))
    assert budgets.are_free


def test_a_day_whose_end_is_not_told_is_tried_each_minute(budgets: Budgets) -> None:
    answer(budgets, 200, ("X-HubSpot-RateLimit-Daily", "1000"), ("X-HubSpot-RateLimit-Daily-Remaining", "0"))
    assert wait(budgets) == told.LONG_WINDOW_PROBE_SECONDS


@pytest.mark.parametrize("value", ["", "-", "nan", "inf", "1e400", "٣", "0x0", "-5", "9" * 400])
def test_what_is_no_number_teaches_nothing(budgets: Budgets, value: str) -> None:
    answer(
        budgets,
        200,
        ("X-HubSpot-RateLimit-Max", value),
        ("X-HubSpot-RateLimit-Remaining", value),
        ("X-HubSpot-RateLimit-Interval-Milliseconds", value),
    )
    assert budgets.are_free


def test_any_number_of_accounts_fits_into_bounded_memory(budgets: Budgets, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_MAX_ACCOUNTS", 50)
    for number in range(500):
        budgets.block(Scope(f"app:{number}", ""), 60)
        window = told.Window(limit=110, remaining=5, length=10, ends_in=None)
        budgets._see((f"app:{number}", 0), window, 0.0)
    assert len(budgets._blocks) == len(budgets._windows) == 50
