"""`make bench`: every measurement, or those that are named; prints tables and writes var/bench.json."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

#: name -> the module whose `run(*, is_quick) -> part of the report` measures it; its "problems" fail the run
MEASUREMENTS: dict[str, str] = {
    "million": "benchmarks.million",
    "refreshes": "benchmarks.refreshes",
    "proxy": "benchmarks.proxy",
    "memory": "benchmarks.memory",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench BENCH=…", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="default: all of them")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: whether it runs, not what it shows"
    )
    parser.add_argument("--only", help="parts of the one measurement that is named, with commas between them")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in MEASUREMENTS]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    only = _parts(parser, arguments.names, arguments.only) if arguments.only else {}
    report: dict[str, Any] = {}
    for name in arguments.names or MEASUREMENTS:
        print(f"== {name}", flush=True)
        report[name] = importlib.import_module(MEASUREMENTS[name]).run(is_quick=arguments.quick, **only)
    target = Path(os.environ.get("PATCHBAY_DATA_DIR", "var")) / "bench.json"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {target}")
    problems = [
        problem for rows in report.values() if isinstance(rows, dict) for problem in rows.get("problems", ())
    ]
    if problems:
        sys.exit("\n".join(f"PROBLEM  {problem}" for problem in problems))


def _parts(parser: argparse.ArgumentParser, names: list[str], only: str) -> dict[str, Any]:
    """What run() gets beside: the parts, checked against the measurement's own list."""
    if len(names) != 1:
        parser.error("--only needs the name of one measurement")
    known = getattr(importlib.import_module(MEASUREMENTS[names[0]]), "PARTS", ())
    chosen = only.split(",")
    if unknown := [part for part in chosen if part not in known]:
        parser.error(f"{names[0]} has no part {', '.join(unknown)}; there are {', '.join(known) or 'none'}")
    return {"only": chosen}


if __name__ == "__main__":
    main()
