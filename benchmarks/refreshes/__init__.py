"""Refreshes per second, and what one costs: real workers, a broker, a database, and a provider that takes 100 ms.

The provider rotates refresh tokens and ends each at its first use, so that a refresh done twice or lost shows.
Servers, provider and workers share the machine's cores; the processor time of each is measured apart.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks import servers
from benchmarks.figures import table
from benchmarks.installation import Installation, installation
from benchmarks.refreshes import ceiling
from benchmarks.refreshes.provider import CLIENT_ID, HUB_ID, Control, sandbox

CONNECTIONS = 3_000
WARM_UP_PER_WORKER = 100
WORKERS = (1, 2, 4)
_ORIGIN = "https://api.hubapi.com"
#: as the Procfile starts it
WORKER = ("celery", "-A", "config", "worker", "--pool", "threads", "--concurrency", "4")
WORKER_OPTIONS = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle")


def run(*, is_quick: bool) -> dict[str, Any]:
    """{"sandbox": its ceiling, "runs": […], "problems": […]}."""
    count = 120 if is_quick else CONNECTIONS
    runs = []
    if missing := servers.missing():
        print(f"   not on PostgreSQL: {', '.join(missing)} not installed")
    else:
        for workers in (1,) if is_quick else WORKERS:
            runs.append(_measure("postgresql", workers=workers, count=count))
    for workers in (1,) if is_quick else (1, 2):
        runs.append(_measure("sqlite", workers=workers, count=count))
    report = {"sandbox": _ceiling(100 if is_quick else 2_000), "runs": runs, "problems": _problems(runs)}
    _show(report)
    return report


def _measure(database: str, *, workers: int, count: int) -> dict[str, Any]:
    """One run in an installation of its own."""
    warm_up = min(WARM_UP_PER_WORKER, count // 4) * workers
    with ExitStack() as stack:
        pids: dict[str, list[int]] = {}
        settings = {}
        if database == "postgresql":
            url, pids["postgresql"] = _entered(stack, servers.postgresql())
            redis_url, pids["redis"] = _entered(stack, servers.redis())
            settings = {"DATABASE_URL": url, "CELERY_BROKER_URL": f"{redis_url}/1"}
            settings["CACHE_URL"] = redis_url.replace("redis://", "rediscache://") + "/0"
        sandbox_url, pids["sandbox"] = _entered(stack, sandbox())
        settings["UPSTREAM_MAP"] = json.dumps({_ORIGIN: sandbox_url})
        place = stack.enter_context(installation(settings))
        place.ask("benchmarks.refreshes.seed", count + warm_up, sandbox_url)
        pids["workers"] = [stack.enter_context(_worker(place, number)) for number in range(workers)]
        driven = place.ask("benchmarks.refreshes.drive", warm_up, json.dumps(pids))
        checked = place.ask("benchmarks.refreshes.verify", sandbox_url)
        print(f"   {database}, {workers} workers: {driven['per_second']}/s", file=sys.stderr, flush=True)
    return {"database": database, "workers": workers, **driven, "grants": checked}


def _entered(stack: ExitStack, server: Any) -> tuple[str, list[int]]:
    url, pid = stack.enter_context(server)
    return url, [pid]


@contextmanager
def _worker(place: Installation, number: int) -> Iterator[int]:
    log = place.folder / f"worker-{number}.log"
    process = place.start(*WORKER, *WORKER_OPTIONS, "--hostname", f"worker-{number}@bench", log=log)
    try:
        yield process.pid
    except BaseException:
        print(log.read_text()[-3000:], file=sys.stderr)
        raise
    finally:
        servers.stop(process)


def _ceiling(count: int) -> dict[str, float]:
    with sandbox() as (url, pid):
        control = Control(url)
        app = {"clientId": CLIENT_ID, "clientSecret": "bench-secret", "scopes": ["oauth"]}
        control("POST", "/_control/apps", {**app, "redirectUrls": ["http://localhost/callback"]})
        grant = {"clientId": CLIENT_ID, "hubId": HUB_ID}
        tokens = [control("POST", "/_control/grants", grant)["refreshToken"] for _ in range(count)]
        control("PATCH", "/_control/behaviour", {"rotateRefreshTokens": True, "tokenDelaySeconds": 0.1})
        time.sleep(1)  # what it still writes down of the grants is none of the token calls' cost
        return ceiling.measure(url, tokens, pid=pid)


def _problems(runs: list[dict[str, Any]]) -> list[str]:
    found = []
    for run_ in runs:
        grants = run_["grants"]
        wrong = {name: grants[name] for name in ("lost", "refreshed_twice", "left_out") if grants[name]}
        if wrong or grants["rotated"] != grants["connections"] or grants["active"] != grants["connections"]:
            found.append(f"refreshes on {run_['database']} with {run_['workers']} workers: {grants}")
    return found


def _show(report: dict[str, Any]) -> None:
    head = ["database", "workers", "refreshed", "per s", "each", "CPU ms: worker", "PostgreSQL", "sandbox"]
    rows = [
        [
            row["database"],
            row["workers"],
            row["refreshed"],
            row["per_second"],
            round(row["per_second"] / row["workers"], 1),
            row["cpu_ms_each"]["workers"],
            row["cpu_ms_each"].get("postgresql", "in worker"),
            row["cpu_ms_each"]["sandbox"],
            row["grants"]["token_requests"],
            row["grants"]["lost"],
        ]
        for row in report["runs"]
    ]
    print(table([*head, "requests", "lost"], rows))
    ceiling_ = report["sandbox"]
    print(f"The sandbox alone: {ceiling_['per_second']}/s at most, {ceiling_['cpu_ms_each']} ms of CPU each")


if __name__ == "__main__":
    run(is_quick=True)
