"""The parts that stand alone: the look-up, many slow calls, and one partner's flood beside another's calls."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.installation import ROOT
from benchmarks.processes import peak_resident_bytes, resident_bytes
from benchmarks.proxy import load, served
from benchmarks.proxy.nginx import pinned
from benchmarks.proxy.setting import Setting
from benchmarks.servers import free_port

#: calls per second of the partner that does not flood
_PACE = 50


def lookup(setting: Setting) -> dict[str, Any]:
    """Times of the cold look-up in a process that does nothing else."""
    sizes = setting.sizes
    return dict(
        setting.place.ask("benchmarks.proxy.lookup", setting.keys["loud"], sizes.lookups, sizes.connections)
    )


def fanout(setting: Setting) -> dict[str, Any]:
    """Slow calls held open by one process, and what they take of its memory."""
    sizes, upstream = setting.sizes, free_port()
    settings = {"UPSTREAM_MAP": json.dumps({served.ORIGIN: f"http://127.0.0.1:{upstream}"})}
    with served.web(setting.place, core=setting.proxy_core, settings=settings) as web:
        before = resident_bytes([web.pid])
        found = _asked(
            setting, "fanout", web.port, setting.keys["loud"], sizes.slow_calls, sizes.held_seconds, upstream
        )
        grown = peak_resident_bytes([web.pid]) - before
    asked = {"calls": sizes.slow_calls, "held_seconds": sizes.held_seconds}
    return {**asked, **found, "before_mib": _mib(before), "grown_mib": _mib(grown)}


def flood(setting: Setting) -> dict[str, Any]:
    """The calm partner's calls without and with the loud one's flood."""
    sizes = setting.sizes
    calm = (setting.keys["calm"], sizes.flood_seconds, _PACE)
    with served.web(setting.place, core=setting.proxy_core) as web:
        script = load.same(load.request(load.PATH, setting.headers()))
        load.wrk(setting.folder, web.port, script, connections=4, seconds=1, core=setting.load_core)
        quiet = _asked(setting, "steady", web.port, *calm)
        flooding = load.start(
            setting.folder, web.port, script,
            connections=sizes.flooding, seconds=sizes.flood_seconds + 2, core=setting.load_core,
        )  # fmt: skip
        beside = _asked(setting, "steady", web.port, *calm)
        output, _ = flooding.communicate(timeout=60)
    loud = load.read(output.decode())
    return {
        "quiet": quiet,
        "beside_flood": beside,
        "flood": {
            "connections": sizes.flooding,
            "per_second": round(loud.per_second, 1),
            "refused_share": round(loud.refused / loud.requests, 3),
        },
    }


def _asked(setting: Setting, module: str, *words: object) -> dict[str, Any]:
    """Run a module on the core of the load; the JSON that it prints."""
    command = [sys.executable, "-m", f"benchmarks.proxy.{module}", *(str(word) for word in words)]
    done = subprocess.run(
        pinned(command, setting.load_core), cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
    )
    return dict(json.loads(done.stdout))


def _mib(size: int) -> float:
    return round(size / 2**20, 1)
