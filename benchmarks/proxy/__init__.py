"""The proxy against nginx doing the same job, in one run: throughput, added latency, processor time, memory.

Everything but the two-process rows is pinned: what is measured to one core, wrk and the provider to another.
Variants take turns within each round; what is told are medians over the rounds, and ratios of them.
"""

from __future__ import annotations

import json
import resource
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.installation import installation
from benchmarks.proxy import alone, goals, nginx, rounds, scrape
from benchmarks.proxy.setting import Setting, Sizes, cores

PARTS = ("warm", "two", "cold", "envelope", "many", "lookup", "fanout", "flood")
_OPEN_FILES = 16_384
_FULL = Sizes(
    levels=(1, 8, 32, 128), rounds=3, seconds=2, connections=100_000, lookups=400, slow_calls=2_000, held_seconds=5.0,
    flood_seconds=6, flooding=64,
)  # fmt: skip
_QUICK = Sizes(
    levels=(1, 2, 4), rounds=1, seconds=1, connections=300, lookups=10, slow_calls=40, held_seconds=0.5,
    flood_seconds=1, flooding=4,
)  # fmt: skip


def run(*, is_quick: bool, only: Collection[str] = PARTS) -> dict[str, Any]:
    """{"rows", "lookup", "fanout", "flood", "goals", "problems"}: of these what was asked for."""
    if missing := nginx.missing():
        print(f"   not measured: {', '.join(missing)} not installed")
        return {"not_measured": missing}
    _allow_open_files()
    report = _measured(_QUICK if is_quick else _FULL, only)
    report["goals"] = goals.judged(report)
    report["problems"] = goals.problems(report)
    goals.show(report)
    return report


def _measured(sizes: Sizes, only: Collection[str]) -> dict[str, Any]:
    report: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patchbay-bench-proxy-")))
        folder.chmod(0o755)
        proxy_core, load_core = cores()
        upstream = stack.enter_context(nginx.provider(folder, core=load_core))
        settings = {
            "UPSTREAM_MAP": json.dumps({"https://api.hubapi.com": f"http://127.0.0.1:{upstream.port}"}),
            "METRICS_TOKEN": scrape.token(),
        }
        place = stack.enter_context(installation(settings))
        keys = place.ask("benchmarks.proxy.seed", sizes.connections)
        setting = Setting(sizes, place, folder, upstream, keys, proxy_core=proxy_core, load_core=load_core)
        if chosen := [part for part in ("warm", "two", "cold", "envelope", "many") if part in only]:
            report["rows"] = rounds.measure(setting, chosen)
        if "lookup" in only:
            report["lookup"] = alone.lookup(setting)
        if "fanout" in only:
            report["fanout"] = alone.fanout(setting)
        if "flood" in only:
            report["flood"] = alone.flood(setting)
    return report


def _allow_open_files() -> None:
    """Each held call takes a socket on both sides; started processes inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
