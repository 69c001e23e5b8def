"""Snapshot: the numbers of one process at one moment, as they are written, read and added up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from proxy.observation.calls import LENGTH, Key, Numbers
from proxy.observation.process import LAG_BOUNDS

#: another shape of what is written needs another number; files of other versions are not read
VERSION = 1
CELLS_A_LINE = 100
_KEY_LENGTH = 8


@dataclass(slots=True)
class Snapshot:
    """cells: calls by their labels. lag: as LoopLag has it. counters and gauges by metric name.

    Counters, cells and lag go on counting when their process has ended; gauges end with it. ended: names of
    processes that have ended and whose numbers are in this, as far as their files may still be there.
    """

    cells: dict[Key, Numbers] = field(default_factory=dict)
    lag: Numbers = field(default_factory=lambda: [0.0] * (len(LAG_BOUNDS) + 2))
    counters: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)

    def add(self, other: Snapshot, *, has_ended: bool = False) -> None:
        """Take in another's numbers; of a process that has ended no gauges."""
        for key, numbers in other.cells.items():
            mine = self.cells.get(key)
            self.cells[key] = list(numbers) if mine is None else _sum(mine, numbers)
        self.lag = _sum(self.lag, other.lag)
        _add(self.counters, other.counters.items())
        if not has_ended:
            _add(self.gauges, other.gauges.items())

    def lines(self) -> Iterator[str]:
        """As it is written, in JSON texts of a bounded size: making one holds up every thread of the process."""
        head = {
            "version": VERSION,
            "lag": self.lag,
            "counters": self.counters,
            "gauges": self.gauges,
            "ended": self.ended,
        }
        yield json.dumps(head)
        cells = iter(self.cells.items())
        while some := list(islice(cells, CELLS_A_LINE)):
            yield json.dumps(some)

    @classmethod
    def of_lines(cls, lines: Iterable[str | bytes]) -> Snapshot:
        """Raises ValueError for what is not a snapshot of this version."""
        try:
            head, *rest = map(json.loads, lines)
            if head["version"] != VERSION:
                raise ValueError("a snapshot of another version")
            made = cls({}, head["lag"], head["counters"], head["gauges"], head["ended"])
            for some in rest:
                made.cells.update((tuple(key), numbers) for key, numbers in some)
        except (KeyError, TypeError) as error:
            raise ValueError("not a snapshot") from error
        if len(made.lag) != len(LAG_BOUNDS) + 2 or any(
            len(key) != _KEY_LENGTH or len(numbers) != LENGTH for key, numbers in made.cells.items()
        ):
            raise ValueError("a snapshot of another shape")
        return made


def _sum(one: Numbers, other: Numbers) -> Numbers:
    return [a + b for a, b in zip(one, other, strict=True)]


def _add(to: dict[str, float], pairs: Iterable[tuple[str, float]]) -> None:
    for name, number in pairs:
        to[name] = to.get(name, 0) + number
