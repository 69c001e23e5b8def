"""What the harness calls well, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.chaos import judgement
from benchmarks.chaos.experiment import Outcome
from benchmarks.chaos.scenarios import GRACE_SECONDS, STOPPED, Scenario

CALM = Scenario("sqlite", "none")
TAKEN_OVER = Scenario("postgresql", "up", point="after_reply", kind="web", grace=GRACE_SECONDS)
IN_THE_WINDOW = Scenario("sqlite", "none", point="before_update", kind="worker")
GOOD = Outcome(
    statuses={"200": 200},
    good=200,
    token_requests=1,
    broken=0,
    broken_elsewhere=0,
    killed="",
    tasks=8,
    publish={"sent": 8, "failed": "", "seconds": 0.01},
    status="active",
    reason="",
    version=2,
    lost=False,
    slowest=1.2,
    seconds=1.3,
)
SURVIVED = replace(GOOD, token_requests=2, killed="web 2", broken=50, slowest=40.4)
LOST = replace(
    SURVIVED,
    statuses={"424 reconnect_required": 200},
    good=0,
    killed="worker 1",
    status="reconnect_required",
    reason="revoked_at_provider",
    version=1,
    lost=True,
)


@pytest.mark.parametrize(
    ("scenario", "outcome"), [(CALM, GOOD), (TAKEN_OVER, SURVIVED), (IN_THE_WINDOW, LOST)]
)
def test_a_run_as_it_should_be_has_no_problem(scenario: Scenario, outcome: Outcome) -> None:
    assert judgement.problems(scenario, outcome) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"token_requests": 2}, "2 token requests instead of 1"),
        ({"token_requests": 0}, "0 token requests instead of 1"),
        ({"statuses": {"200": 199}, "good": 199}, "199 of 200 calls came to an end"),
        ({"statuses": {"200": 199, "500 internal_error": 1}, "good": 199}, "199 of 200 replies were good"),
        ({"good": 198}, "198 of 200 replies were good"),
        ({"lost": True, "status": "reconnect_required"}, "the grant was lost"),
        ({"status": "reconnect_required"}, "the connection is reconnect_required with a grant that lives"),
        ({"lost": True}, "the connection is active with a grant that is gone"),
        ({"slowest": 55.5}, "a call took 55.5 s"),
        ({"tasks": 0}, "no worker did any of the work"),
        ({"broken": 1, "broken_elsewhere": 1}, "1 connections broke at processes that lived"),
        ({"ended": ["web 0"]}, "ended by themselves: web 0"),
        ({"publish": {"seconds": 30.0}}, "handing work to the broker took 30.0 s"),
    ],
)
def test_whatever_must_hold_and_did_not_is_told(changes: dict[str, Any], told: str) -> None:
    found = judgement.problems(CALM, replace(GOOD, **changes))

    assert any(told in sentence for sentence in found), found
    assert all(sentence.startswith("sqlite-redis-none-0s: ") for sentence in found)


def test_a_second_request_is_expected_only_after_a_kill_that_the_provider_had_answered() -> None:
    assert judgement.problems(TAKEN_OVER, replace(SURVIVED, token_requests=1))
    early = replace(TAKEN_OVER, point="before_request")
    assert judgement.problems(early, replace(SURVIVED, token_requests=1)) == []
    assert judgement.problems(early, SURVIVED) == [
        f"{early.name}: 2 token requests instead of 1",
    ]


@pytest.mark.parametrize("point", ["before_request", "after_commit"])
def test_a_grant_lost_outside_of_the_window_is_a_problem_at_any_provider(point: str) -> None:
    scenario = replace(IN_THE_WINDOW, point=point)

    assert any("the grant was lost" in one for one in judgement.problems(scenario, LOST))


def test_a_grant_lost_in_the_window_is_a_problem_where_the_provider_gives_grace() -> None:
    scenario = replace(IN_THE_WINDOW, grace=GRACE_SECONDS)

    assert any("the grant was lost" in one for one in judgement.problems(scenario, LOST))


def test_a_customer_who_must_reconnect_is_named_to_every_caller() -> None:
    outcome = replace(LOST, statuses={"424 reconnect_required": 199, "503 refresh_unavailable": 1})

    assert any("199 of 200 calls were told" in one for one in judgement.problems(IN_THE_WINDOW, outcome))


def test_a_kill_of_the_wrong_kind_or_of_nobody_is_a_problem() -> None:
    for killed in ("web 0", ""):
        assert any(
            "killed was" in one for one in judgement.problems(IN_THE_WINDOW, replace(LOST, killed=killed))
        )


def test_a_process_that_was_told_to_end_costs_no_second_request_and_no_grant() -> None:
    scenario = Scenario("sqlite", "none", 6, STOPPED, "worker")
    outcome = replace(GOOD, killed="worker 0")

    assert judgement.problems(scenario, outcome) == []
    assert judgement.problems(scenario, replace(outcome, token_requests=2))
    assert judgement.problems(scenario, replace(LOST, killed="worker 0"))
    assert judgement.summary([(scenario, outcome)])["kills"] == 0


def test_a_worker_may_end_when_redis_is_killed_and_a_web_process_may_not() -> None:
    scenario = replace(CALM, redis="killed")

    assert judgement.problems(scenario, replace(GOOD, ended=["worker 0"])) == []
    assert judgement.problems(scenario, replace(GOOD, ended=["web 1"]))


def test_the_summary_tells_losses_in_the_window_apart() -> None:
    total = judgement.summary([(CALM, GOOD), (TAKEN_OVER, SURVIVED), (IN_THE_WINDOW, LOST)])

    assert total == {
        "runs": 3,
        "calls": 600,
        "good": 400,
        "kills": 2,
        "token_requests": 5,
        "grants_lost": 0,
        "grants_lost_in_the_window": 1,
    }
    assert judgement.summary([(CALM, LOST)])["grants_lost"] == 1


def test_the_table_says_who_was_killed_where_and_what_the_others_got() -> None:
    lines = judgement.shown([(CALM, GOOD), (IN_THE_WINDOW, LOST)]).splitlines()

    assert [len(line) for line in lines] == [len(lines[0])] * 4
    assert "worker 1 before update" in lines[3]
    assert "200 x 424 reconnect_required" in lines[3]
    assert "YES" in lines[3] and "YES" not in lines[2]
