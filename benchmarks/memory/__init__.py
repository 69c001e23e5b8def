"""Memory of the web process while large contents stream: its peak above what a warm process takes, and who waits.

The peak is the kernel's (VmHWM of /proc/{pid}/status, reset before each row through clear_refs), so that nothing
between two looks is missed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import table
from benchmarks.installation import ROOT, installation
from benchmarks.memory.partners import Door, state
from benchmarks.proxy.served import ORIGIN, web
from benchmarks.servers import stop

GIB, MIB = 1 << 30, 1 << 20
#: of one call, or two, of any length
MAX_GROWTH_MIB = 32.0
#: for each of many calls whose partners do not read: what two buffers here may hold
MAX_GROWTH_MIB_EACH = 1.0
MAX_CLOSING_SECONDS = 5.0
MAX_FIRST_BYTE_SECONDS = 1.0
CALLERS = 100
_SLOW = 20 * MIB


def run(*, is_quick: bool) -> dict[str, Any]:
    """{"rows": [{"what", "growth_mib", …}], "problems": […]}."""
    size = 48 * MIB if is_quick else GIB
    slow_size = 16 * MIB if is_quick else 200 * MIB
    callers = 10 if is_quick else CALLERS
    with provider() as port:
        settings = {"UPSTREAM_MAP": json.dumps({ORIGIN: f"http://127.0.0.1:{port}"})}
        with installation(settings) as place:
            keys = place.ask("benchmarks.proxy.seed", callers)
            with web(place, core=None) as served:
                meter = Meter(served.pid)
                door = Door(served.port, keys["loud"])
                _warm_up(door)
                rows = [
                    meter.row(f"{size // MIB} MiB up and as much down at once", lambda: _both(door, size)),
                    meter.row("a reader at 20 MiB/s", lambda: _slow_reader(door, slow_size, port)),
                    meter.row("a provider at 20 MiB/s", lambda: _slow_provider(door, slow_size)),
                    meter.row(f"{callers} that hang up after 1 MiB", lambda: _leaving(door, callers, port)),
                ]
    report = {"rows": rows, "problems": _problems(rows, callers=callers)}
    _show(rows)
    return report


class Meter:
    """Reads one process's memory."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def row(self, what: str, work: Callable[[], dict[str, float]]) -> dict[str, Any]:
        """Do the work: {"what", "before_mib", "peak_mib", "growth_mib"} and what the work tells."""
        (self._folder / "clear_refs").write_text("5")
        before = self._mib("VmRSS")
        told = work()
        peak = self._mib("VmHWM")
        found = {"before_mib": before, "peak_mib": peak, "growth_mib": peak - before, **told}
        print(f"   {what}: {peak - before:.1f} MiB", file=sys.stderr, flush=True)
        return {"what": what, **{name: round(value, 2) for name, value in found.items()}}

    def _mib(self, name: str) -> float:
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":"))


@contextmanager
def provider() -> Iterator[int]:
    """The provider as a process of its own: its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.memory.provider"], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        stop(process)


def _warm_up(door: Door) -> None:
    """Everything is loaded and every cache filled before the first row."""
    for _ in range(3):
        door.download(4 * MIB)
        door.upload(4 * MIB)


def _both(door: Door, size: int) -> dict[str, float]:
    with ThreadPoolExecutor(2) as threads:
        up, down = threads.submit(door.upload, size), threads.submit(door.download, size)
        seconds = max(up.result()["seconds"], down.result()["seconds"])
        return {"seconds": seconds, "first_byte_seconds": down.result()["first_byte_seconds"]}


def _slow_reader(door: Door, size: int, port: int) -> dict[str, float]:
    """How far the provider gets ahead of a reader: what it has sent beyond what the reader can have."""
    sent = state(port)["sent"]
    ahead = 0.0
    with ThreadPoolExecutor(1) as threads:
        began = time.perf_counter()
        reading = threads.submit(door.download, size, per_second=_SLOW)
        while not reading.done():
            ahead = max(ahead, state(port)["sent"] - sent - _SLOW * (time.perf_counter() - began))
            time.sleep(0.1)
        return {"seconds": reading.result()["seconds"], "ahead_mib": ahead / MIB}


def _slow_provider(door: Door, size: int) -> dict[str, float]:
    return door.upload(size, path=f"up/{_SLOW}")


def _leaving(door: Door, callers: int, port: int) -> dict[str, float]:
    """All read 1 MiB of 1 GiB and hang up; how long until the provider sees each of its connections end."""
    idle = state(port)["open"]
    with ThreadPoolExecutor(16) as threads:
        opened = list(threads.map(lambda number: door.begin(GIB, customer=number, until=MIB), range(callers)))
    began = time.perf_counter()
    for sock in opened:
        sock.close()
    while state(port)["open"] > idle and time.perf_counter() - began < 60:
        time.sleep(0.02)
    closing = time.perf_counter() - began
    door.download(MIB)
    return {"seconds": closing}


def _problems(rows: list[dict[str, Any]], *, callers: int) -> list[str]:
    streams, leaving = rows[:-1], rows[-1]
    most_growth = [MAX_GROWTH_MIB] * len(streams) + [MAX_GROWTH_MIB_EACH * callers]
    checks = [
        (row, name, most)
        for row, growth in zip(rows, most_growth, strict=True)
        for name, most in (
            ("growth_mib", growth),
            ("first_byte_seconds", MAX_FIRST_BYTE_SECONDS),
            ("ahead_mib", MAX_GROWTH_MIB + _kernel_mib()),
        )
    ]
    checks.append((leaving, "seconds", MAX_CLOSING_SECONDS))
    return [
        f"memory, {row['what']}: {name} is {row[name]}, more than {most}"
        for row, name, most in checks
        if row.get(name, 0.0) > most
    ]


def _kernel_mib() -> float:
    """What the kernel buffers of two connections, one behind the other, can hold (tcp(7))."""
    most = (Path(f"/proc/sys/net/ipv4/{name}").read_text().split()[2] for name in ("tcp_rmem", "tcp_wmem"))
    return 2 * sum(map(int, most)) / MIB


def _show(rows: list[dict[str, Any]]) -> None:
    head = ["what", "before MiB", "peak MiB", "growth MiB", "seconds", "first byte s", "ahead MiB"]
    names = ["what", "before_mib", "peak_mib", "growth_mib", "seconds", "first_byte_seconds", "ahead_mib"]
    print(table(head, [[row.get(name, "") for name in names] for row in rows]))


if __name__ == "__main__":
    run(is_quick=False)
