"""Rolling request limits, one window per key."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class RollingLimit:
    """Counts what was admitted in the last `interval_seconds`. Refused requests do not count."""

    interval_seconds: float
    _windows: dict[Hashable, deque[float]] = field(default_factory=dict)

    def admit(self, key: Hashable, *, limit: int, now: float) -> int | None:
        """Count one request; how many more would be admitted now, or None when this one is refused."""
        window = self._windows.setdefault(key, deque())
        while window and window[0] <= now - self.interval_seconds:
            window.popleft()
        if len(window) >= limit:
            return None
        window.append(now)
        return limit - len(window)

    def clear(self) -> None:
        self._windows.clear()
