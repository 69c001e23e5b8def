"""`python -m benchmarks.million.claim TIMES`: claim a batch of what is due as beat does; prints JSON.

Each claim is the product's own, committed, and then put back outside the measured time, so that all find the
same table.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Any

import django

from benchmarks.figures import in_milliseconds

#: how many of the next due rows of each integration are looked after: more than any batch takes
_WATCHED = 400
#: what a claim may change
_COLUMNS = ("next_refresh_at", "lease_owner", "lease_expires_at", "refresh_not_before", "updated_at")
_PROVIDER = "hubspot"


def main() -> None:
    django.setup()
    from benchmarks.million.plans import explain, full_reads, recorded

    times = int(sys.argv[1])
    claim_once()  # the first also opens the database
    claims = [claim_once() for _ in range(times)]
    with recorded() as statements:
        claim_once()
    hot = [found for found in statements if "next_refresh_at" in found.sql and "<=" in found.sql]
    plans = [{"sql": found.sql, "plan": explain(found)} for found in hot]
    report = {
        **in_milliseconds([found.scan_seconds + found.claim_seconds for found in claims]),
        "scan": in_milliseconds([found.scan_seconds for found in claims]),
        "claim": in_milliseconds([found.claim_seconds for found in claims]),
        "claims": times,
        "batch": min(found.size for found in claims),
        "plans": [plan for plan in plans if plan["sql"].startswith("SELECT")],  # type: ignore[attr-defined]
        "full_reads": [line for plan in plans for line in full_reads(plan["plan"])],  # type: ignore[arg-type]
    }
    print(json.dumps(report, default=str))


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one claim took: seconds to see who is due, seconds to claim a batch of one provider, its size."""

    scan_seconds: float
    claim_seconds: float
    size: int


def claim_once() -> Claimed:
    """Look for what is due and claim a batch as a run of the sweep does, then put everything back."""
    from django.utils import timezone

    from integrations import catalogue
    from integrations.models import ProviderPace
    from integrations.tokens import claims

    before = _watched()
    ProviderPace.objects.update(next_slot_at=None)
    now, started = timezone.now(), time.perf_counter()
    due = claims.waiting(now)
    seen = time.perf_counter()
    batch = claims.claim(catalogue.get(_PROVIDER), due[_PROVIDER], limit=claims.BATCH, now=now)
    ended = time.perf_counter()
    _restore(before)
    return Claimed(seen - started, ended - seen, batch.found)


def _watched() -> dict[Any, Any]:
    from django.utils import timezone

    from integrations.models import Connection, Integration

    watched = {}
    for integration in Integration.objects.filter(provider_id=_PROVIDER):
        due = Connection.objects.due(timezone.now()).filter(integration=integration)
        watched.update({row.pk: row for row in due.only("pk", *_COLUMNS)[:_WATCHED]})
    return watched


def _restore(before: dict[Any, Any]) -> None:
    from integrations.models import Connection

    after = Connection.objects.filter(pk__in=before).values("pk", *_COLUMNS)
    changed = [
        before[row["pk"]]
        for row in after
        if any(row[name] != getattr(before[row["pk"]], name) for name in _COLUMNS)
    ]
    Connection.objects.bulk_update(changed, _COLUMNS, batch_size=100)


if __name__ == "__main__":
    main()
