"""Snapshot: the numbers of one process at one moment, as they are written, read and added up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from proxy.observation.calls import LENGTH, Key, Numbers
from proxy.observation.process import LAG_BOUNDS

#: another shape of what is written needs another number; files of other versions are not read
VERSION = 1
_KEY_LENGTH = 8


@dataclass(slots=True)
class Snapshot:
    """cells: calls by their labels. lag: as LoopLag has it. counters and gauges by metric name.

    Counters, cells and lag go on counting when their process has ended; gauges end with it.
    """

    cells: dict[Key, Numbers] = field(default_factory=dict)
    lag: Numbers = field(default_factory=lambda: [0.0] * (len(LAG_BOUNDS) + 2))
    counters: dict[str, float] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)

    def add(self, other: Snapshot, *, has_ended: bool = False) -> None:
        """Take in another's numbers; of a process that has ended no gauges."""
        for key, numbers in other.cells.items():
            mine = self.cells.get(key)
            self.cells[key] = list(numbers) if mine is None else _sum(mine, numbers)
        self.lag = _sum(self.lag, other.lag)
        _add(self.counters, other.counters.items())
        if not has_ended:
            _add(self.gauges, other.gauges.items())

    def as_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "cells": [[list(key), list(numbers)] for key, numbers in self.cells.items()],
            "lag": list(self.lag),
            "counters": self.counters,
            "gauges": self.gauges,
        }

    @classmethod
    def of_json(cls, data: Any) -> Snapshot:
        """Raises ValueError for what is not a snapshot of this version."""
        try:
            if data["version"] != VERSION:
                raise ValueError("a snapshot of another version")
            cells = {tuple(key): numbers for key, numbers in data["cells"]}
            made = cls(cells, data["lag"], data["counters"], data["gauges"])
        except (KeyError, TypeError) as error:
            raise ValueError("not a snapshot") from error
        if len(made.lag) != len(LAG_BOUNDS) + 2 or any(
            len(key) != _KEY_LENGTH or len(numbers) != LENGTH for key, numbers in cells.items()
        ):
            raise ValueError("a snapshot of another shape")
        return made


def _sum(one: Numbers, other: Numbers) -> Numbers:
    return [a + b for a, b in zip(one, other, strict=True)]


def _add(to: dict[str, float], pairs: Iterable[tuple[str, float]]) -> None:
    for name, number in pairs:
        to[name] = to.get(name, 0) + number
