"""`python -m benchmarks.refreshes.drive WARM_UP PIDS`: make connections due, play beat, and watch; prints JSON.

PIDS is JSON: {"workers": [pid, …], "sandbox": …}. The first WARM_UP connections are refreshed beforehand and
not counted: workers load their modules and open their database then. From then on the schedule's own task is
sent every two seconds, as beat would, only more often, so that no worker waits for work.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import django

from benchmarks.processes import cpu_seconds

_BEAT_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_GIVE_UP_SECONDS = 240.0


def main() -> None:
    django.setup()
    from integrations.models import Connection

    warm_up, pids = int(sys.argv[1]), json.loads(sys.argv[2])
    ids = list(Connection.objects.order_by("pk").values_list("pk", flat=True))
    _refresh(ids[:warm_up], expected=warm_up)
    before = {name: cpu_seconds(found) for name, found in pids.items()}
    started = time.perf_counter()
    sends = _refresh(ids[warm_up:], expected=len(ids))
    seconds = time.perf_counter() - started
    cpu = {name: cpu_seconds(found) - before[name] for name, found in pids.items()}
    count = len(ids) - warm_up
    print(
        json.dumps(
            {
                "refreshed": count,
                "seconds": round(seconds, 2),
                "per_second": round(count / seconds, 1),
                "beats": sends,
                "cpu_ms_each": {name: round(used * 1000 / count, 2) for name, used in cpu.items()},
                "cores": {name: round(used / seconds, 2) for name, used in cpu.items()},
            }
        )
    )


def _refresh(ids: list[Any], *, expected: int) -> int:
    """Make these due and play beat until so many rows have a second version; how often beat sent."""
    from django.utils import timezone

    from integrations.models import Connection
    from integrations.tasks import refresh_due

    now = timezone.now()
    for first in range(0, len(ids), 500):
        Connection.objects.filter(pk__in=ids[first : first + 500]).update(next_refresh_at=now)
    give_up_at = time.monotonic() + _GIVE_UP_SECONDS
    next_beat, sends = 0.0, 0
    while Connection.objects.filter(token_version__gte=2).count() < expected:
        if time.monotonic() > give_up_at:
            raise SystemExit(f"Not all were refreshed within {_GIVE_UP_SECONDS:.0f} s: {_states()}")
        if time.monotonic() >= next_beat:
            next_beat = time.monotonic() + _BEAT_SECONDS
            refresh_due.delay()
            sends += 1
        time.sleep(_LOOK_SECONDS)
    return sends


def _states() -> list[Any]:
    from django.db.models import Count

    from integrations.models import Connection

    return list(
        Connection.objects.values_list("status", "token_version", "refresh_failures").annotate(Count("pk"))
    )


if __name__ == "__main__":
    main()
