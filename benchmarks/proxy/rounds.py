"""The rows that wrk measures: variants in turn, round after round."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.processes import cpu_seconds, resident_bytes
from benchmarks.proxy import load, nginx, scrape, served
from benchmarks.proxy.setting import Setting

_MARK = "customer-0"


@dataclass(slots=True)
class Variant:
    """One row: where wrk sends what, and whose processor time counts. script: made anew for each round."""

    name: str
    port: int
    pid: int
    connections: int
    script: Callable[[int], str]
    core: int | None
    rounds: list[load.Round] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    resident: int = 0

    def run(self, setting: Setting, number: int) -> None:
        before = cpu_seconds([self.pid])
        self.rounds.append(
            load.wrk(
                setting.folder, self.port, self.script(number),
                connections=self.connections, seconds=setting.sizes.seconds, core=self.core,
            )
        )  # fmt: skip
        self.cpu.append(cpu_seconds([self.pid]) - before)
        self.resident = max(self.resident, resident_bytes([self.pid]))

    def told(self) -> dict[str, Any]:
        figures = load.medians(self.rounds, self.cpu)
        mib = round(self.resident / 2**20, 1)
        return {"name": self.name, "connections": self.connections, **figures, "rss_mib": mib}


def measure(setting: Setting, parts: Sequence[str]) -> list[dict[str, Any]]:
    """A row of figures for each variant and number of connections; `direct` and `nginx` are always there."""
    with ExitStack() as stack:
        variants = _variants(setting, stack, parts)
        scraped = next((variant for variant in variants if variant.name == "warm"), None)
        for variant in variants:  # caches, connections, and what Python compiles at first
            load.wrk(
                setting.folder, variant.port, variant.script(0), connections=4, seconds=1, core=variant.core
            )
        for number in range(setting.sizes.rounds):
            for variant in variants:
                variant.run(setting, number)
            told = f", {_scraped(scraped, setting):,} warm calls are counted" if scraped else ""
            print(f"   round {number + 1} of {setting.sizes.rounds}{told}", file=sys.stderr, flush=True)
        return [variant.told() for variant in variants]


def _scraped(variant: Variant, setting: Setting) -> int:
    token = setting.place.environment["METRICS_TOKEN"]
    return scrape.calls(served.Web(variant.port, variant.pid), token)


def _variants(setting: Setting, stack: ExitStack, parts: Sequence[str]) -> list[Variant]:
    sizes, core = setting.sizes, setting.proxy_core
    proxy = stack.enter_context(nginx.proxy(setting.folder, upstream=setting.upstream.port, core=core))
    levels = sizes.levels if "warm" in parts else (1, sizes.usual)
    text = load.request(load.PATH, setting.headers())
    chosen = _ladder(setting, "direct", setting.upstream, text, levels)
    chosen += _ladder(setting, "nginx", proxy, text, levels)
    if {"warm", "many"} & set(parts):
        deployed = stack.enter_context(served.web(setting.place, core=core))
        chosen += _ladder(setting, "warm", deployed, text, levels)
        if "many" in parts:
            chosen.append(_many(setting, deployed, text))
    if {"cold", "envelope"} & set(parts):
        doors = stack.enter_context(served.web(setting.place, core=core, application=served.DOORS))
        if "cold" in parts:
            chosen += _ladder(setting, "cold door", doors, text, (1, sizes.usual))
        if "envelope" in parts:
            chosen += _ladder(setting, "envelope", doors, _envelope(setting), (sizes.usual,))
            bare = load.request("/bare", setting.headers())
            chosen += _ladder(setting, "bare DRF view", doors, bare, (sizes.usual,))
    if "two" in parts:
        pair = stack.enter_context(
            nginx.proxy(setting.folder, upstream=setting.upstream.port, core=None, workers=2)
        )
        both = stack.enter_context(served.web(setting.place, core=None, workers=2))
        for name, server in (("nginx, two", pair), ("warm, two", both)):
            chosen += _ladder(setting, name, server, text, sizes.levels[-2:], core=None)
    return chosen


def _ladder(
    setting: Setting,
    name: str,
    server: nginx.Nginx | served.Web,
    text: str,
    levels: Sequence[int],
    *,
    core: int | None = -1,
) -> list[Variant]:
    """The same request at several numbers of connections. core: of wrk; -1 is the usual one."""
    used = setting.load_core if core == -1 else core
    script = load.same(text)
    return [Variant(name, server.port, server.pid, level, lambda _: script, used) for level in levels]


def _many(setting: Setting, server: served.Web, text: str) -> Variant:
    """Every call another connection; each round begins where no other has been."""
    count, share = setting.sizes.connections, setting.sizes.connections // setting.sizes.rounds

    def script(number: int) -> str:
        return load.cycling(text.replace(_MARK, "customer-@@@"), "@@@", first=number * share, count=count)

    return Variant(
        "every call another", server.port, server.pid, setting.sizes.usual, script, setting.load_core
    )


def _envelope(setting: Setting) -> str:
    document = {
        "userForeignIdentifier": "customer-0",
        "method": "POST",
        "url": "/crm/objects/2026-09/contacts",
        "body": json.loads(load.BODY),
    }
    return load.request("/api/v1/proxy/bench", setting.headers(), json.dumps(document))
