"""What one web process is like: how late its event loop is, what it holds, what it costs."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.plane import DataPlane

#: upper bounds in seconds of how late the loop was
LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SAMPLE_SECONDS = 0.25
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_STATM = Path("/proc/self/statm")
_DESCRIPTORS = Path("/proc/self/fd")


class LoopLag:
    """Looks four times a second how much later than asked for it is called: what every call waits too.

    numbers: the seconds in all, then a count for each bucket, the last for what is longer than every bound.
    """

    def __init__(self) -> None:
        self.numbers: list[float] = [0.0] * (len(LAG_BOUNDS) + 2)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + SAMPLE_SECONDS
        self._timer = loop.call_at(self._due, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def note(self, seconds: float) -> None:
        """Count one sample."""
        self.numbers[0] += seconds
        self.numbers[1 + bisect_left(LAG_BOUNDS, seconds)] += 1

    def _look(self) -> None:
        # A loop's own clock stands still while it works; this one does not.
        self.note(max(0.0, _monotonic() - self._due))
        self.start()


def _monotonic() -> float:
    return time.monotonic()


def held(plane: DataPlane) -> dict[str, float]:
    """Gauges of a plane by metric name, read on its loop. Over several processes they are added up."""
    cache = plane.cache
    circuits = plane.limits.open_circuits()
    of_hosts = sum(circuit.partner is None for circuit in circuits)
    return {
        "patchbay_proxy_in_flight": plane.limits.calls,
        "patchbay_proxy_envelopes_in_flight": plane.envelopes,
        # No host is named: some are customers', such as a shop's.
        "patchbay_open_circuits/host": of_hosts,
        "patchbay_open_circuits/connection": len(circuits) - of_hosts,
        "patchbay_cache_entries/callers": len(cache.callers),
        "patchbay_cache_entries/routes": len(cache.routes),
        "patchbay_cache_entries/places": len(cache.places),
        "patchbay_web_processes": 1,
    }


def footprint() -> tuple[dict[str, float], dict[str, float]]:
    """(gauges, counters) of this process by metric name; what the system does not tell is left out."""
    gauges: dict[str, float] = {}
    try:
        gauges["patchbay_web_resident_memory_bytes"] = int(_STATM.read_text().split()[1]) * _PAGE_BYTES
        gauges["patchbay_web_open_fds"] = len(os.listdir(_DESCRIPTORS))
    except (OSError, ValueError, IndexError):
        pass
    used = resource.getrusage(resource.RUSAGE_SELF)
    return gauges, {"patchbay_web_cpu_seconds": used.ru_utime + used.ru_stime}
