"""The proxy's measurement: what is started is what is deployed, and what is told follows from what was measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.proxy import goals, load, scrape, served
from tests.suite import ROOT


def row(name: str, connections: int, per_second: float, **figures: Any) -> dict[str, Any]:
    usual = {"p50_ms": 1.0, "p99_ms": 1.5, "cpu_us": 80.0, "failed": 0, "rss_mib": 1.0}
    return {"name": name, "connections": connections, "per_second": per_second, **usual, **figures}


def judged(*rows: dict[str, Any], **rest: Any) -> dict[str, tuple[float, bool]]:
    found = goals.judged({"rows": list(rows), **rest})
    return {each["goal"]: (each["measured"], each["is_met"]) for each in found}


def test_the_platform_is_started_as_the_procfile_starts_it() -> None:
    words = served.command(served.DEPLOYED, 4711)

    line = next(line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web:"))
    assert words[:4] == [sys.executable, "-m", "uvicorn", "config.asgi:application"]
    assert words[words.index("--port") + 1] == "4711"
    assert all(word in line for word in words[4:] if word != "4711")
    assert "proxy.protocol:BoundedProtocol" in words
    assert not any(word.startswith(("$", ">")) for word in words)


def test_a_share_is_taken_at_the_same_number_of_clients() -> None:
    rows = [row("nginx", level, 1_000.0 * level) for level in (1, 8, 32, 128)]

    found = judged(*rows, row("warm", 32, 4_800.0), row("cold door", 32, 1_000.0))

    assert found["warm: share of nginx's throughput at 32 clients"] == (0.15, True)
    assert found["cold door: share of nginx's throughput at 32 clients"] == (0.031, False)


def test_what_is_added_is_compared_with_what_nginx_adds() -> None:
    rows = [row(name, 1, 1.0, p50_ms=p50) for name, p50 in (("direct", 0.1), ("nginx", 0.2), ("warm", 0.3))]

    assert judged(*rows)["warm: added p50 at 1 client, in nginx's"] == (2.0, True)


def test_nothing_is_told_of_what_was_not_measured() -> None:
    assert judged(row("nginx", 1, 5.0), row("nginx", 8, 5.0)) == {}


def test_a_call_that_failed_fails_the_run_and_a_missed_goal_does_not() -> None:
    slow = {"rows": [row("nginx", 32, 9_000.0), row("warm", 32, 1.0)]}
    broken = {
        "rows": [row("warm", 32, 9_000.0, failed=3)],
        "fanout": {"statuses": {"200": 9, "503": 1}, "calls": 10},
    }

    assert goals.problems(slow) == []
    assert len(goals.problems(broken)) == 2


def test_wrk_s_figures_are_read_and_a_run_without_any_is_refused() -> None:
    line = '{"requests": 9000, "us": 3000000, "p50_us": 270, "p99_us": 1340, "refused": 2, "broken": 1}'

    found = load.read(f"Running 3s test\nRESULT {line}\n")

    assert (found.per_second, found.p50, found.p99, found.failed) == (3_000.0, 0.27, 1.34, 3)
    with pytest.raises(RuntimeError, match="nothing"):
        load.read("unable to connect")


def test_medians_over_rounds_take_one_bad_round_out() -> None:
    rounds = [load.Round(1_000, 1.0, p50, p50 * 2, 0, 0) for p50 in (1.0, 9.0, 1.2)]

    found = load.medians(rounds, [0.1, 0.9, 0.11])

    assert (found["p50_ms"], found["p99_ms"], found["cpu_us"]) == (1.2, 2.4, 110.0)


def test_a_part_that_is_not_known_is_refused_with_those_that_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "proxy", "--only", "warm,nonsense"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "fanout" in done.stderr


def test_the_calls_that_metrics_tell_are_summed() -> None:
    text = (
        "# TYPE patchbay_proxy_requests_total counter\n"
        'patchbay_proxy_requests_total{app="bench",status="2xx"} 12000.0\n'
        'patchbay_proxy_requests_total{app="bench",status="5xx"} 3.0\n'
        'patchbay_proxy_retries_total{app="bench"} 9.0\n'
    )

    assert scrape.total(text) == 12_003
    assert scrape.total("patchbay_web_processes 1.0\n") == 0
