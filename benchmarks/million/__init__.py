"""A million connections: filling, claiming what is due, and every other list that the product reads.

`run` does this on PostgreSQL and on SQLite at 10,000, 100,000 and 1,000,000 rows. The product's own functions
are called; no query is copied here.
"""

from __future__ import annotations

import shutil
import tempfile
from typing import Any

from benchmarks import servers
from benchmarks.figures import table
from benchmarks.installation import Installation, installation

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (2_000, 6_000)
CLAIMS = 60
QUICK_CLAIMS = 5
_NEEDED_BYTES = 8 * 2**30


def run(*, is_quick: bool) -> dict[str, Any]:
    """{"postgresql": …, "sqlite": …}, each {"sizes": [{"connections", "fill", "claim"}], "lists": […]}."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if not is_quick and free < _NEEDED_BYTES:
        raise SystemExit(f"A million connections need 8 GiB for a while; {free / 2**30:.1f} GiB are free.")
    report: dict[str, Any] = {}
    if missing := servers.missing():
        print(f"   not on PostgreSQL: {', '.join(missing)} not installed")
    else:
        with servers.postgresql() as (url, _), installation({"DATABASE_URL": url}) as place:
            report["postgresql"] = _measure(place, is_quick=is_quick)
    with installation() as place:
        report["sqlite"] = _measure(place, is_quick=is_quick)
    _show(report)
    report["problems"] = [
        f"the due-scan reads a whole table on {name} at {size['connections']:,}: {size['claim']['full_reads'][0]}"
        for name, found in report.items()
        for size in found["sizes"]
        if size["claim"]["full_reads"]
    ]
    return report


def _measure(place: Installation, *, is_quick: bool) -> dict[str, Any]:
    sizes = []
    for size in QUICK_SIZES if is_quick else SIZES:
        fill = place.ask("benchmarks.million.fill", size)
        claim = place.ask("benchmarks.million.claim", QUICK_CLAIMS if is_quick else CLAIMS)
        sizes.append({"connections": size, "fill": fill, "claim": claim})
    return {"sizes": sizes, "lists": place.ask("benchmarks.million.lists", 3 if is_quick else 20)}


def _show(report: dict[str, Any]) -> None:
    rows = [
        [
            name,
            f"{size['connections']:,}",
            size["claim"]["batch"],
            size["claim"]["median_ms"],
            size["claim"]["p95_ms"],
            size["claim"]["scan"]["median_ms"],
            size["claim"]["claim"]["median_ms"],
            size["fill"]["seconds"],
            f"{size['fill']['bytes'] / 2**20:,.0f}",
        ]
        for name, found in report.items()
        for size in found["sizes"]
    ]
    head = ["database", "connections", "batch", "median ms", "p95 ms", "scan", "claim", "fill s", "MiB"]
    print(table(head, rows))
    for name, found in report.items():
        print(f"\nLists at {found['sizes'][-1]['connections']:,} connections on {name}")
        lists = [
            [row["name"], row["median_ms"], row["p95_ms"], row["sql_ms"], row["statements"], row["verdict"]]
            for row in found["lists"]
        ]
        print(table(["list", "median ms", "p95 ms", "of it SQL", "statements", "plan"], lists))
