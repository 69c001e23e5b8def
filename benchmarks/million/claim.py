"""`python -m benchmarks.million.claim TIMES`: claim a batch of what is due as beat does; prints JSON.

Each claim is the product's own, committed, and then put back outside the measured time, so that all find the
same table.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import django

from benchmarks.figures import in_milliseconds

#: how many of the next due rows are looked after: more than any batch takes
_WATCHED = 1_000
#: what a claim may change
_COLUMNS = ("next_refresh_at", "lease_owner", "lease_expires_at", "refresh_not_before", "updated_at")


def main() -> None:
    django.setup()
    from benchmarks.million.plans import explain, full_reads, recorded

    times = int(sys.argv[1])
    claim_once()  # the first also opens the database
    claims = [claim_once() for _ in range(times)]
    with recorded() as statements:
        claim_once()
    hot = [found for found in statements if "next_refresh_at" in found.sql and "<=" in found.sql]
    plans = [{"sql": found.sql, "plan": explain(found)} for found in hot[:3]]
    reads = [line for found in hot for line in full_reads(explain(found))]
    sizes = [size for _, size in claims]
    report = {
        **in_milliseconds([seconds for seconds, _ in claims]),
        "claims": times,
        "batch": min(sizes),
        "statements": len(statements),
        "plans": plans,
        "full_reads": reads,
    }
    print(json.dumps(report, default=str))


def claim_once() -> tuple[float, int]:
    """(seconds, size of the batch) of one claim."""
    from django.utils import timezone

    before = _watched()
    started = time.perf_counter()
    size = claim_batch(timezone.now())
    seconds = time.perf_counter() - started
    _restore(before)
    return seconds, size


def claim_batch(now: Any) -> int:
    """The product's own claim: how many connections were found due."""
    from integrations import tasks

    size, _ = tasks._claim_batch(now)
    return size


def _watched() -> dict[Any, Any]:
    from django.utils import timezone

    from integrations.models import Connection

    due = Connection.objects.due(timezone.now()).only("pk", *_COLUMNS)[:_WATCHED]
    return {row.pk: row for row in due}


def _restore(before: dict[Any, Any]) -> None:
    from integrations.models import Connection

    now = Connection.objects.filter(pk__in=before).values("pk", *_COLUMNS)
    changed = [
        before[row["pk"]]
        for row in now
        if any(row[name] != getattr(before[row["pk"]], name) for name in _COLUMNS)
    ]
    Connection.objects.bulk_update(changed, _COLUMNS, batch_size=100)


if __name__ == "__main__":
    main()
