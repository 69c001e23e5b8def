"""wrk as the partner: one thread, kept connections, the same POST over and over; what it measured."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.proxy.nginx import pinned

BODY = '{"properties":{"note":"' + "y" * 230 + '"}}'
PATH = "/proxy/bench/customer-0/crm/objects/2026-09/contacts"
_DONE = """
done = function(summary, latency, requests)
  local wrong = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), wrong.status,
    wrong.connect + wrong.read + wrong.write + wrong.timeout))
end
"""
_SAME = """
local text = {text}
request = function() return text end
"""
#: numbers from `first` on, each once, until they are all used; then again
_CYCLING = """
local before, after, number, count = {before}, {after}, {first}, {count}
request = function()
  number = number + 1
  return before .. (number % count) .. after
end
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One run of wrk. p50 and p99 in milliseconds; failed: refused with 4xx or 5xx, or broken off."""

    requests: int
    seconds: float
    p50: float
    p99: float
    refused: int
    broken: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def failed(self) -> int:
        return self.refused + self.broken


def request(path: str, headers: dict[str, str], body: str = BODY) -> str:
    """A POST as it goes over the wire."""
    fields = {"Host": "localhost", **headers, "Content-Length": str(len(body))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", body])


def same(text: str) -> str:
    """The script that sends one request over and over."""
    return _SAME.format(text=json.dumps(text)) + _DONE


def cycling(text: str, mark: str, *, first: int, count: int) -> str:
    """The script that puts another number in the place of the mark with each request."""
    before, _, after = text.partition(mark)
    values = {"before": json.dumps(before), "after": json.dumps(after), "first": first, "count": count}
    return _CYCLING.format(**values) + _DONE


def wrk(
    folder: Path, port: int, script: str, *, connections: int, seconds: int, core: int | None = None
) -> Round:
    """Run it to its end."""
    process = start(folder, port, script, connections=connections, seconds=seconds, core=core)
    output, _ = process.communicate(timeout=seconds + 60)
    return read(output.decode())


def start(
    folder: Path, port: int, script: str, *, connections: int, seconds: int, core: int | None = None
) -> subprocess.Popen[bytes]:
    """Begin; its output is for read()."""
    file = folder / f"wrk-{port}-{connections}.lua"
    file.write_text(script)
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", "-s", str(file)]
    return subprocess.Popen(
        pinned(["wrk", *options, f"http://127.0.0.1:{port}/"], core), stdout=subprocess.PIPE
    )


def read(output: str) -> Round:
    """What the script printed at its end. Raises RuntimeError when it did not come so far."""
    found = next((line[7:] for line in output.splitlines() if line.startswith("RESULT ")), None)
    if found is None:
        raise RuntimeError(f"wrk measured nothing: {output[-500:]}")
    told: dict[str, int] = json.loads(found)
    return Round(
        told["requests"],
        told["us"] / 1e6,
        told["p50_us"] / 1e3,
        told["p99_us"] / 1e3,
        told["refused"],
        told["broken"],
    )


def medians(rounds: list[Round], cpu_seconds: list[float]) -> dict[str, Any]:
    """{"per_second", "p50_ms", "p99_ms", "cpu_us", "failed"} over the rounds of one variant."""
    cpu = [used / each.requests * 1e6 for used, each in zip(cpu_seconds, rounds, strict=True)]
    return {
        "per_second": round(median(each.per_second for each in rounds), 1),
        "p50_ms": round(median(each.p50 for each in rounds), 3),
        "p99_ms": round(median(each.p99 for each in rounds), 3),
        "cpu_us": round(median(cpu), 1),
        "failed": sum(each.failed for each in rounds),
    }
