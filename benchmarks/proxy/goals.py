"""Figures beside the goals that were set for them, and the tables."""

from __future__ import annotations

from typing import Any

from benchmarks.figures import table

Row = dict[str, Any]


def judged(report: dict[str, Any]) -> list[Row]:
    """[{"goal", "wanted", "is_least", "measured", "is_met"}] for what was measured."""
    rows = _Rows(report.get("rows", []))
    found = [*_of_rows(rows), *_of_the_rest(report)]
    return [
        {
            "goal": name,
            "wanted": wanted,
            "is_least": is_least,
            "measured": round(measured, 3),
            "is_met": measured >= wanted if is_least else measured <= wanted,
        }
        for name, wanted, is_least, measured in found
        if measured is not None
    ]


class _Rows:
    def __init__(self, rows: list[Row]) -> None:
        self._rows = {(row["name"], row["connections"]): row for row in rows}
        levels = sorted({row["connections"] for row in rows if row["name"] == "nginx"})
        self.usual = levels[-2] if len(levels) > 2 else max(levels, default=0)

    def figure(self, name: str, what: str, connections: int | None = None) -> float | None:
        row = self._rows.get((name, self.usual if connections is None else connections))
        return None if row is None else float(row[what])


def _of_rows(rows: _Rows) -> list[tuple[str, float, bool, float | None]]:
    at = f"at {rows.usual} clients"
    warm = rows.figure("warm", "per_second")
    plain = rows.figure("nginx", "per_second")
    p50, p99 = rows.figure("warm", "p50_ms"), rows.figure("warm", "p99_ms")
    return [
        (f"warm: share of nginx's throughput {at}", 0.10, True, _ratio(warm, plain)),
        ("warm: added p50 at 1 client, in nginx's", 2.5, False, _added(rows)),
        (f"warm: p99 {at}, in its own p50", 2.0, False, _ratio(p99, p50)),
        (f"warm: CPU microseconds a call {at}", 130, False, rows.figure("warm", "cpu_us")),
        (
            f"cold door: share of nginx's throughput {at}",
            0.05,
            True,
            _ratio(rows.figure("cold door", "per_second"), plain),
        ),
        (
            f"every call another connection: share of warm {at}",
            0.2,
            True,
            _ratio(rows.figure("every call another", "per_second"), warm),
        ),
        (
            f"envelope: share of a bare DRF view {at}",
            0.40,
            True,
            _ratio(rows.figure("envelope", "per_second"), rows.figure("bare DRF view", "per_second")),
        ),
    ]


def _of_the_rest(report: dict[str, Any]) -> list[tuple[str, float, bool, float | None]]:
    found: list[tuple[str, float, bool, float | None]] = []
    if lookup := report.get("lookup"):
        found.append(("cold look-up: median ms", 1.0, False, lookup["median_ms"]["both"]))
    if fanout := report.get("fanout"):
        ok = fanout["statuses"].get("200", 0) / fanout["calls"]
        held = f"{fanout['calls']:,} calls of {fanout['held_seconds']:g} s"
        found.append((f"{held}: share answered", 1.0, True, ok))
    if flood := report.get("flood"):
        ratio = flood["beside_flood"]["p99_ms"] / flood["quiet"]["p99_ms"]
        found.append(("another's flood: p99 in the quiet p99", 4.0, False, ratio))
        found.append(("another's flood: failed calls", 0, False, flood["beside_flood"]["failed"]))
    return found


def _added(rows: _Rows) -> float | None:
    """Warm p50 less the direct one, in what nginx adds."""
    direct, plain, warm = (rows.figure(name, "p50_ms", 1) for name in ("direct", "nginx", "warm"))
    if direct is None or plain is None or warm is None:
        return None
    return _ratio(warm - direct, plain - direct)


def _ratio(value: float | None, of: float | None) -> float | None:
    return None if value is None or not of else value / of


def problems(report: dict[str, Any]) -> list[str]:
    """What no machine excuses: a call that failed. Goals of speed are told, and fail nothing."""
    found = [
        f"proxy: {row['failed']} calls of {row['name']!r} at {row['connections']} failed"
        for row in report.get("rows", [])
        if row["failed"]
    ]
    if (fanout := report.get("fanout")) and fanout["statuses"] != {"200": fanout["calls"]}:
        found.append(f"proxy: not all slow calls were answered: {fanout['statuses']}")
    if (flood := report.get("flood")) and (flood["beside_flood"]["failed"] or flood["quiet"]["failed"]):
        found.append(f"proxy: calls failed beside a flood: {flood['beside_flood']}")
    return found


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    if rows := report.get("rows"):
        plain = {row["connections"]: row["per_second"] for row in rows if row["name"] == "nginx"}
        head = [
            "variant",
            "clients",
            "requests/s",
            "of nginx",
            "p50 ms",
            "p99 ms",
            "CPU us",
            "RSS MiB",
            "failed",
        ]
        print(table(head, [_shown(row, plain) for row in rows]))
    for name in ("lookup", "fanout", "flood"):
        if name in report:
            print(f"{name}: {report[name]}")
    head = ["goal", "wanted", "measured", ""]
    print(
        table(
            head,
            [
                [
                    row["goal"],
                    f"{'>=' if row['is_least'] else '<='} {row['wanted']:g}",
                    row["measured"],
                    "met" if row["is_met"] else "MISSED",
                ]
                for row in report["goals"]
            ],
        )
    )


def _shown(row: Row, plain: dict[int, float]) -> list[object]:
    base = plain.get(row["connections"])
    return [
        row["name"],
        row["connections"],
        f"{row['per_second']:,.0f}",
        round(row["per_second"] / base, 3) if base else "",
        row["p50_ms"],
        row["p99_ms"],
        row["cpu_us"],
        row["rss_mib"],
        row["failed"],
    ]
