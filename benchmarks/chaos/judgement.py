"""What must hold after a run. Pure: an outcome in, sentences out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.chaos.experiment import Outcome
from benchmarks.chaos.scenarios import POINTS, WINDOW, Scenario
from benchmarks.figures import table

#: a caller waits 45 s at most for another process's refresh (design rule 2), then gets a reply of some kind
MOST_SECONDS = 55.0
#: whoever publishes must not hang on a broker that is gone
MOST_PUBLISH_SECONDS = 6.0
HEAD = [
    "database", "Redis", "delay", "ended", "grace", "calls", "good", "others", "broken", "token requests",
    "work", "grant lost", "slowest s",
]  # fmt: skip


def problems(scenario: Scenario, outcome: Outcome) -> list[str]:
    """A sentence for each thing that must hold and did not; none when all is well."""
    found = [*_calls(scenario, outcome), *_grant(scenario, outcome), *_processes(scenario, outcome)]
    return [f"{scenario.name}: {sentence}" for sentence in found]


def _calls(scenario: Scenario, outcome: Outcome) -> list[str]:
    found = []
    total = sum(outcome.statuses.values())
    if total != scenario.calls:
        found.append(f"{total} of {scenario.calls} calls came to an end")
    if scenario.may_lose and outcome.lost:
        told = outcome.statuses.get("424 reconnect_required", 0)
        if told != scenario.calls:
            found.append(f"{told} of {scenario.calls} calls were told to reconnect: {outcome.statuses}")
    elif outcome.good != scenario.calls:
        found.append(f"{outcome.good} of {scenario.calls} replies were good: {outcome.statuses}")
    if outcome.slowest > MOST_SECONDS:
        found.append(f"a call took {outcome.slowest} s")
    return found


def _grant(scenario: Scenario, outcome: Outcome) -> list[str]:
    found = []
    if outcome.lost and not scenario.may_lose:
        found.append("the grant was lost")
    if outcome.lost != (outcome.status == "reconnect_required"):
        found.append(f"the connection is {outcome.status} with a grant that {_lives(outcome)}")
    expected = 2 if scenario.point in WINDOW else 1
    if outcome.token_requests != expected:
        found.append(f"{outcome.token_requests} token requests instead of {expected}")
    return found


def _lives(outcome: Outcome) -> str:
    return "is gone" if outcome.lost else "lives"


def _processes(scenario: Scenario, outcome: Outcome) -> list[str]:
    found = []
    if scenario.point and not outcome.killed.startswith(scenario.kind):
        found.append(f"killed was {outcome.killed or 'nothing'} instead of a {scenario.kind}")
    if outcome.broken_elsewhere:
        found.append(f"{outcome.broken_elsewhere} connections broke at processes that lived")
    # A worker may end when its broker goes a second time (celery 5.7): the supervisor starts it anew.
    if odd := [name for name in outcome.ended if scenario.redis != "killed" or not name.startswith("worker")]:
        found.append(f"ended by themselves: {', '.join(odd)}")
    if scenario.redis in ("none", "up") and outcome.tasks == 0:
        found.append("no worker did any of the work")
    if outcome.publish.get("seconds", 0.0) > MOST_PUBLISH_SECONDS:
        found.append(f"handing work to the broker took {outcome.publish['seconds']} s")
    return found


def row(scenario: Scenario, outcome: Outcome) -> list[object]:
    """A line of the table."""
    bad = {name: count for name, count in outcome.statuses.items() if name != "200"}
    others = ", ".join(f"{count} x {name}" for name, count in bad.items()) or "-"
    return [
        scenario.database, scenario.redis, scenario.delay, _killed(scenario, outcome),
        _grace(scenario), scenario.calls, outcome.good, others, outcome.broken, outcome.token_requests,
        outcome.tasks, "YES" if outcome.lost else "no", outcome.slowest,
    ]  # fmt: skip


def _killed(scenario: Scenario, outcome: Outcome) -> str:
    return f"{outcome.killed} {scenario.point.replace('_', ' ')}" if scenario.point else "-"


def _grace(scenario: Scenario) -> str:
    return f"{scenario.grace} s" if scenario.point else "-"


def summary(runs: Sequence[tuple[Scenario, Outcome]]) -> dict[str, Any]:
    """{"runs", "calls", "good", "kills", "token_requests", "grants_lost", "grants_lost_in_the_window"}."""
    lost = [scenario for scenario, outcome in runs if outcome.lost]
    return {
        "runs": len(runs),
        "calls": sum(scenario.calls for scenario, _ in runs),
        "good": sum(outcome.good for _, outcome in runs),
        "kills": sum(scenario.point in POINTS and bool(outcome.killed) for scenario, outcome in runs),
        "token_requests": sum(outcome.token_requests for _, outcome in runs),
        "grants_lost": sum(not scenario.may_lose for scenario in lost),
        "grants_lost_in_the_window": sum(scenario.may_lose for scenario in lost),
    }


def shown(runs: Sequence[tuple[Scenario, Outcome]]) -> str:
    """The table, for people."""
    return table(HEAD, [row(scenario, outcome) for scenario, outcome in runs])
