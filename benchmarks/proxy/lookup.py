"""`python -m benchmarks.proxy.lookup API_KEY N COUNT`: what the first call of a connection asks the database.

N customers out of COUNT, each once, with nothing cached; prints JSON, times in milliseconds.
"""

from __future__ import annotations

import json
import random
import sys
import time

import django

_WARM_UP = 20


def main() -> None:
    django.setup()
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from benchmarks.figures import percentile
    from proxy import finding, routes
    from proxy.selectors import Selector

    api_key, wanted, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    numbers = random.Random(1).choices(range(count), k=wanted + _WARM_UP)
    times: dict[str, list[float]] = {"caller": [], "route": [], "both": []}
    for number in numbers:
        selector = Selector("bench", f"customer-{number}", None, None)
        began = time.perf_counter()
        credential = finding.by_bearer(api_key, now=timezone.now())
        assert credential is not None
        known = time.perf_counter()
        routes.resolve(credential, selector)
        ended = time.perf_counter()
        for name, seconds in zip(times, (known - began, ended - known, ended - began), strict=True):
            times[name].append(seconds)
    with CaptureQueriesContext(connection) as captured:
        credential = finding.by_bearer(api_key, now=timezone.now())
        assert credential is not None
        routes.resolve(credential, selector)
    found = {name: round(percentile(each[_WARM_UP:], 0.5) * 1000, 3) for name, each in times.items()}
    print(json.dumps({"median_ms": found, "statements": len(captured), "calls": wanted}))


if __name__ == "__main__":
    main()
