"""Calls and durations over time as two charts: numbers here, SVG in the template, colours in the stylesheet.

The drawings stretch to the page's width, so that there is no text in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from proxy.models.traffic import SUM_FIELDS
from proxy.traffic.hours import Hour, percentile

WIDTH, HEIGHT = 960, 120
#: class of status -> its name in the stylesheet and for people, in the order in which bars are stacked
LAYERS = (
    (2, "good", "2xx"),
    (3, "off", "3xx"),
    (1, "off", "1xx"),
    (4, "warn", "4xx"),
    (5, "bad", "5xx"),
    (0, "none", "no reply"),
)


@dataclass(frozen=True)
class Bar:
    """One layer of one column."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True)
class Column:
    """One stretch of time."""

    bars: list[Bar]
    x: float
    width: float
    title: str
    hour: Hour
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Chart:
    """What the template draws. hours: how many of them are in one column."""

    columns: list[Column]
    hours: int
    most_calls: int
    most_ms: float
    p50_line: list[str]
    p95_line: list[str]
    legend: list[tuple[str, str, int]]
    total: Hour

    @property
    def p50(self) -> float | None:
        return self.total.percentile(0.5)

    @property
    def p95(self) -> float | None:
        return self.total.percentile(0.95)

    @property
    def rows(self) -> list[list[str]]:
        """The numbers, newest first: moment, calls, calls of each class in the legend's order, p50, p95."""
        shown = [number for number, _, _ in LAYERS if self.total.by_class.get(number)]
        return [
            [
                f"{column.hour.at:%d %b %H:%M}",
                str(column.hour.calls),
                *(str(column.hour.by_class.get(number, 0)) for number in shown),
                _number(column.p50),
                _number(column.p95),
            ]
            for column in reversed(self.columns)
        ]


def draw(hours: Sequence[Hour], *, most_columns: int = 60) -> Chart:
    """The chart of a series, with neighbouring hours put together until they fit."""
    each = -(-len(hours) // most_columns)
    merged = [merge(hours[start : start + each]) for start in range(0, len(hours), each)]
    most_calls = max((hour.calls for hour in merged), default=0)
    step = WIDTH / max(1, len(merged))
    columns = [_column(hour, place * step, step, most_calls, each) for place, hour in enumerate(merged)]
    most_ms = max((column.p95 for column in columns if column.p95 is not None), default=0.0)
    total = merge(hours)
    return Chart(
        columns,
        each,
        most_calls,
        most_ms,
        _lines(((column.x + column.width / 2, column.p50) for column in columns), most_ms),
        _lines(((column.x + column.width / 2, column.p95) for column in columns), most_ms),
        [(tone, name, calls) for number, tone, name in LAYERS if (calls := total.by_class.get(number, 0))],
        total,
    )


def merge(hours: Sequence[Hour]) -> Hour:
    """The sum of neighbouring hours, of the first one's moment."""
    summed = Hour(hours[0].at)
    for hour in hours:
        for number, calls in hour.by_class.items():
            summed.by_class[number] = summed.by_class.get(number, 0) + calls
        for name in SUM_FIELDS:
            setattr(summed, name, getattr(summed, name) + getattr(hour, name))
        summed.counts = [first + second for first, second in zip(summed.counts, hour.counts, strict=True)]
    return summed


def _column(hour: Hour, x: float, step: float, most_calls: int, each: int) -> Column:
    bars: list[Bar] = []
    top = float(HEIGHT)
    for number, tone, _ in LAYERS:
        calls = hour.by_class.get(number, 0)
        if calls:
            # A single failure among thousands must be seen: no layer is thinner than two units.
            height = max(2.0, calls / most_calls * (HEIGHT - 12))
            top -= height
            bars.append(
                Bar(round(x + step * 0.12, 2), round(top, 2), round(step * 0.76, 2), round(height, 2), tone)
            )
    p50, p95 = percentile(hour.counts, 0.5), percentile(hour.counts, 0.95)
    return Column(bars, round(x, 2), round(step, 2), _title(hour, each, p50, p95), hour, p50, p95)


def _title(hour: Hour, each: int, p50: float | None, p95: float | None) -> str:
    until = hour.at + timedelta(hours=each)
    classes = ", ".join(
        f"{calls} {name}" for number, _, name in LAYERS if (calls := hour.by_class.get(number, 0))
    )
    durations = "" if p50 is None else f"; p50 {p50:g} ms, p95 {p95:g} ms"
    when = f"{hour.at:%d %b %H:%M} to {until:%H:%M} UTC"
    return f"{when}: {hour.calls} calls{': ' if classes else ''}{classes}{durations}"


def _number(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds:g}"


def _lines(points: Iterable[tuple[float, float | None]], most: float) -> list[str]:
    """Polylines through the points that there are; where there is none, the line breaks."""
    lines: list[list[str]] = [[]]
    for x, value in points:
        if value is None:
            lines.append([])
        else:
            lines[-1].append(f"{x:.1f},{HEIGHT - value / (most or 1) * (HEIGHT - 12):.1f}")
    # A point without neighbours is drawn as a short stroke.
    return [" ".join(line if len(line) > 1 else [line[0], line[0]]) for line in lines if line]
