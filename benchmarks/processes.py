"""Processor time and memory of running processes, from /proc; those of their children included."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these process trees, in seconds (proc_pid_stat(5), fields 14 to 17).

    Children that have ended are in it.
    """
    parents = {pid: _stat(pid) for pid in _all()}
    return sum(stat[1] for pid in _trees(parents, pids) if (stat := parents.get(pid)))


def resident_bytes(pids: Iterable[int]) -> int:
    """Memory that these process trees hold now (VmRSS)."""
    return _memory(pids, "VmRSS")


def peak_resident_bytes(pids: Iterable[int]) -> int:
    """The most that each process of these trees has held so far (VmHWM)."""
    return _memory(pids, "VmHWM")


def _memory(pids: Iterable[int], field: str) -> int:
    parents = {pid: _stat(pid) for pid in _all()}
    return sum(_status(pid, field) for pid in _trees(parents, pids))


def _trees(parents: dict[int, tuple[int, float] | None], pids: Iterable[int]) -> set[int]:
    chosen = set(pids)
    grown = True
    while grown:
        children = {pid for pid, stat in parents.items() if stat and stat[0] in chosen}
        grown = not children <= chosen
        chosen |= children
    return chosen


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


def _status(pid: int, field: str) -> int:
    """A size of proc_pid_status(5) in bytes; 0 when the process has ended meanwhile."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
