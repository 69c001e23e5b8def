"""A clock that a test moves, in the place of a module's `time`."""

from __future__ import annotations


class Clock:
    now = 1_000.0

    def monotonic(self) -> float:
        return self.now
