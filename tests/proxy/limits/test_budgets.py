"""What is learnt of a provider's limit, for what, and for how long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from integrations import catalogue
from proxy.forwarder import Call
from proxy.limits import blocks, resources, told
from proxy.limits import budgets as module
from proxy.limits.blocks import MAX_BLOCK_SECONDS, PROBE_SECONDS, UNNAMED, Scope
from proxy.limits.budgets import Budgets
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


def test_each_used_up_window_blocks_what_its_own_limit_is_for(budgets: Budgets, clock: Clock) -> None:
    def daily(remaining: int) -> tuple[tuple[str, str], ...]:
        return (
            ("X-HubSpot-RateLimit-Daily", "1000"),
            ("X-HubSpot-RateLimit-Daily-Remaining", str(remaining)),
        )

    answer(budgets, 200, *hubspot(5), *daily(1))
    answer(budgets, 200, ("X-HubSpot-RateLimit-Max", "4"), *hubspot(0)[1:], *daily(0), path="search")
    clock.now += 1
    assert wait(budgets, CONTACTS) == told.LONG_WINDOW_PROBE_SECONDS - 1
    clock.now += 59
    assert wait(budgets, CONTACTS) == wait(budgets, SEARCH) == 0
    answer(budgets, 200, *hubspot(0), *daily(500))
    assert wait(budgets, SEARCH) == 0
    assert wait(budgets, CONTACTS) > 0


def test_a_window_that_a_reply_leaves_out_stays_used_up(budgets: Budgets, clock: Clock) -> None:
    answer(budgets, 200, ("X-HubSpot-RateLimit-Daily", "1000"), ("X-HubSpot-RateLimit-Daily-Remaining", "0"))
    clock.now += 1
    answer(budgets, 200, *hubspot(50))
    assert wait(budgets) == told.LONG_WINDOW_PROBE_SECONDS - 1
    answer(budgets, 200, ("X-HubSpot-RateLimit-Daily-Remaining", "9"))
    assert budgets.are_free


def several(limit: int, remaining: int) -> tuple[tuple[str, str], ...]:
    """Jira's fields, of which one account's replies tell with several limits."""
    return (
        ("X-RateLimit-Limit", str(limit)),
        ("X-RateLimit-Remaining", str(remaining)),
        ("X-RateLimit-Reset", "2999-01-01T00:00Z"),
    )


def test_an_account_with_several_limits_is_blocked_where_the_empty_one_was_told(budgets: Budgets) -> None:
    answer(budgets, 200, *several(5000, 4000), provider="atlassian")
    answer(budgets, 200, *several(30, 0), provider="atlassian", path="search")
    assert wait(budgets, SEARCH) == MAX_BLOCK_SECONDS
    assert wait(budgets, CONTACTS) == 0


def github(resource: str, remaining: int, *, limit: int = 5000) -> tuple[tuple[str, str], ...]:
    return (
        ("X-RateLimit-Limit", str(limit)),
        ("X-RateLimit-Remaining", str(remaining)),
        ("X-RateLimit-Reset", "99999999999"),
        ("X-RateLimit-Resource", resource),
    )


def test_prx_29_resources_with_the_same_limit_are_told_apart_by_the_field_that_names_them(
    budgets: Budgets,
) -> None:
    answer(budgets, 200, *github("core", 4000), provider="github", path="repos/me/it/issues")
    answer(budgets, 200, *github("graphql", 3), provider="github", path="graphql")
    answer(budgets, 200, *github("graphql", 0), provider="github", path="graphql")
    assert wait(budgets, "api/graphql") == MAX_BLOCK_SECONDS
    assert wait(budgets, "api/repos/me/it/issues") == 0
    answer(budgets, 403, *github("core", 0), provider="github", path="repos/me/it/issues")
    assert wait(budgets, "api/repos/you/that/issues") == MAX_BLOCK_SECONDS
    assert wait(budgets, "api/repos/me/it/code-scanning/sarifs") == 0, (
        "nothing has told what it counts against"
    )
    answer(budgets, 200, *github("graphql", 4999), provider="github", path="graphql")
    assert wait(budgets, "api/graphql") == 0
    assert wait(budgets, "api/repos/me/it/issues") == MAX_BLOCK_SECONDS


def test_calls_of_one_shape_that_count_against_several_resources_are_left_to_the_provider(
    budgets: Budgets,
) -> None:
    answer(budgets, 200, *github("core", 4000), provider="github", path="search/1")
    answer(budgets, 200, *github("search", 0), provider="github", path="search/2")
    assert wait(budgets, "api/search/3") == 0


@pytest.mark.parametrize("provider", ["quickbooks", "slack"])
def test_a_provider_that_tells_of_no_window_is_blocked_where_the_limit_was_met(
    budgets: Budgets, provider: str
) -> None:
    answer(budgets, 429, ("Retry-After", "30"), provider=provider)
    assert (wait(budgets, CONTACTS), wait(budgets, SEARCH)) == (30, 0)


@pytest.mark.parametrize(
    "fields",
    [(*hubspot(0), ("Retry-After", "7200")), (("Retry-After", "7200"),)],
    ids=["account", "path"],
)
def test_what_the_provider_says_is_heeded_beyond_a_quarter_of_an_hour_one_call_at_a_time(
    budgets: Budgets, clock: Clock, fields: tuple[tuple[str, str], ...]
) -> None:
    answer(budgets, 429, *fields)
    assert wait(budgets) == MAX_BLOCK_SECONDS
    clock.now += MAX_BLOCK_SECONDS
    assert wait(budgets) == 0
    budgets.begin(ACCOUNT, CONTACTS)
    assert wait(budgets) == PROBE_SECONDS
    clock.now += PROBE_SECONDS
    budgets.begin(ACCOUNT, CONTACTS)
    answer(budgets, 429, *fields)
    assert wait(budgets) == MAX_BLOCK_SECONDS
    clock.now += MAX_BLOCK_SECONDS
    budgets.begin(ACCOUNT, CONTACTS)
    answer(budgets, 200, *hubspot(109))
    assert budgets.are_free


def test_a_reset_that_is_hours_away_lets_one_call_at_a_time_try(budgets: Budgets, clock: Clock) -> None:
    answer(budgets, 200, *github("core", 0), provider="github", path="user")
    clock.now += MAX_BLOCK_SECONDS
    assert wait(budgets, "api/user") == 0
    budgets.begin(ACCOUNT, "api/user")
    assert wait(budgets, "api/user") == PROBE_SECONDS
    clock.now += told.LONGEST_SECONDS
    assert wait(budgets, "api/user") == 0
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
    monkeypatch.setattr(module, "_MAX_WINDOWS", 50)
    monkeypatch.setattr(module, "_MAX_STARTS", 50)
    monkeypatch.setattr(blocks, "_MAX_SCOPES", 50)
    monkeypatch.setattr(resources, "_MAX_SHAPES", 50)
    for number in range(500):
        budgets.block(Scope(f"app:{number}"), 60)
        window = told.Window(limit=110, remaining=5, length=10, ends_in=None)
        budgets._see((f"app:{number}", 0, ""), window, 0.0)
        budgets._resources.note(f"api/{number}/x", "core")
    assert len(budgets._blocks.of_scopes) == len(budgets._windows) == 50
    assert len(budgets._resources._of_shapes) == 50


def test_blocks_that_ended_are_let_go_though_nobody_asks_for_them(budgets: Budgets, clock: Clock) -> None:
    for number in range(20):
        answer(budgets, 429, ("Retry-After", "5"), path=f"contacts/{number}")
    clock.now += 100
    assert wait(budgets, "api/elsewhere") == 0
    assert budgets.are_free


def test_a_long_path_is_kept_short_and_told_from_others(budgets: Budgets) -> None:
    long = "x" * 8_000
    answer(budgets, 429, ("Retry-After", "5"), path=long)
    (scope,) = budgets._blocks.of_scopes
    assert len(scope.where) < 200
    one, other = (
        cast(Call, SimpleNamespace(target=SimpleNamespace(host="api", raw_path=f"/{long}{end}")))
        for end in ("", "y")
    )
    assert (wait(budgets, module.where(one)), wait(budgets, module.where(other))) == (5, 0)


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_nobody_is_to_be_told_of_is_not_noted(clock: Clock, is_shared: bool) -> None:
    budgets = Budgets(is_shared=is_shared)
    for _ in range(5):
        clock.now += 1
        budgets.block(Scope(ACCOUNT), 60)
        budgets.block(Scope(ACCOUNT, "#search"), 60)
        budgets.block(Scope(ACCOUNT, CONTACTS), 60)
    noted = {(Scope(ACCOUNT), UNNAMED): clock.now + 60, (Scope(ACCOUNT, "#search"), UNNAMED): clock.now + 60}
    assert budgets.untold == (noted if is_shared else {})


def test_calls_that_waited_for_one_account_begin_one_after_another(budgets: Budgets, clock: Clock) -> None:
    gap = module.STAGGER_SECONDS
    assert [budgets.start_in(ACCOUNT) for _ in range(3)] == pytest.approx([0, gap, 2 * gap])
    assert budgets.start_in("app:other") == 0
    clock.now += 3 * gap
    assert budgets.start_in(ACCOUNT) == pytest.approx(0)
