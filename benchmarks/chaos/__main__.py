"""`make chaos`: many calls on one expired token while what refreshes it is killed; a table, and var/chaos.json."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from itertools import groupby
from pathlib import Path

from benchmarks import servers
from benchmarks.chaos import judgement, scenarios
from benchmarks.chaos.experiment import Outcome, carry_out
from benchmarks.chaos.scenarios import Scenario
from benchmarks.chaos.stack import Stack, running

Runs = list[tuple[Scenario, Outcome]]


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        _run(arguments)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: argparse.Namespace) -> None:
    folder = Path(os.environ.get("PATCHBAY_DATA_DIR", "var"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    started = time.monotonic()
    plan = _plan(arguments)
    if not plan:
        sys.exit(f"No run has {arguments.only!r} in its name.")
    runs: Runs = []
    problems: list[str] = []
    try:
        for (database, redis), wanted in groupby(plan, key=lambda one: (one.database, one.redis)):
            logs = folder / "log" / f"chaos-{database}-{redis}"
            with running(database, redis, keep_logs=logs) as stack:
                _carry_out(stack, list(wanted), runs, problems)
                if odd := [
                    name for name in stack.ended() if not name.startswith("worker") or redis == "none"
                ]:
                    problems.append(f"{database}, Redis {redis}: ended by themselves: {', '.join(odd)}")
    finally:
        if runs:
            _report(runs, problems, folder / "chaos.json", seed=arguments.seed, since=started)
    if problems:
        sys.exit("\n".join(f"PROBLEM  {problem}" for problem in problems))


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos CHAOS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="SQLite, one run without a kill and one with")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="how often the kills are run")
    parser.add_argument("--database", choices=scenarios.DATABASES, help="this one alone")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="runs whose name holds this; --list shows them"
    )
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10_000), help="for what is left to chance"
    )
    return parser.parse_args(words)


def _plan(arguments: argparse.Namespace) -> list[Scenario]:
    if arguments.quick:
        return scenarios.quick()
    databases = [arguments.database] if arguments.database else list(scenarios.DATABASES)
    if missing := servers.missing():
        print(f"NOT RUN  what needs {' and '.join(missing)}, which is not installed")
    plan = scenarios.matrix(databases)
    plan += scenarios.stops(databases)
    choose = random.Random(arguments.seed)
    for _ in range(arguments.runs):
        plan += scenarios.kills(databases, choose=choose)
    plan = [one for one in plan if _can_run(one, missing)]
    plan = scenarios.chosen(plan, arguments.only)
    if arguments.list:
        print("\n".join(one.name for one in plan))
        sys.exit(0)
    return sorted(plan, key=lambda one: (scenarios.DATABASES.index(one.database), one.redis))


def _can_run(scenario: Scenario, missing: list[str]) -> bool:
    return (scenario.database != "postgresql" or "postgresql" not in missing) and (
        scenario.redis in ("none", "down") or "redis-server" not in missing
    )


def _carry_out(stack: Stack, wanted: list[Scenario], runs: Runs, problems: list[str]) -> None:
    for scenario in wanted:
        try:
            outcome = carry_out(stack, scenario, number=len(runs) + len(problems))
        except RuntimeError as error:
            problems.append(f"{scenario.name}: could not be carried out: {error}")
            print(f"   {problems[-1]}", flush=True)
            continue
        found = judgement.problems(scenario, outcome)
        runs.append((scenario, outcome))
        problems += found
        text = f"{outcome.good}/{scenario.calls} good, {outcome.token_requests} token requests"
        print(f"   {scenario.name}: {text}, {outcome.seconds} s{'  PROBLEM' if found else ''}", flush=True)


def _report(runs: Runs, problems: list[str], target: Path, *, seed: int, since: float) -> None:
    print(judgement.shown(runs))
    total = judgement.summary(runs)
    print(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in total.items()))
    rows = [
        {"name": scenario.name, "calls": scenario.calls, **outcome.to_json()} for scenario, outcome in runs
    ]
    seconds = round(time.monotonic() - since)
    report = {"seed": seed, "seconds": seconds, "summary": total, "runs": rows, "problems": problems}
    target.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{seconds} s; written to {target}")


def _end(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
