"""Processor time of running processes, from /proc; their children's included, also of those that have ended."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these process trees, in seconds (proc_pid_stat(5), fields 14 to 17)."""
    parents = {pid: _stat(pid) for pid in _all()}
    chosen = set(pids)
    grown = True
    while grown:
        children = {pid for pid, stat in parents.items() if stat and stat[0] in chosen}
        grown = not children <= chosen
        chosen |= children
    return sum(stat[1] for pid in chosen if (stat := parents.get(pid)))


def _all() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(pid: int) -> tuple[int, float] | None:
    """(parent, seconds) or None when the process has ended meanwhile."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), sum(int(ticks) for ticks in fields[11:15]) / _TICKS
