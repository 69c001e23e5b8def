"""What every part of the measurement shares: sizes, the installation, the provider, the cores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.installation import Installation
from benchmarks.proxy.nginx import Nginx


@dataclass(frozen=True, slots=True)
class Sizes:
    """levels: numbers of wrk's connections; seconds: of one round of one variant."""

    levels: tuple[int, ...]
    rounds: int
    seconds: int
    connections: int
    lookups: int
    slow_calls: int
    held_seconds: float
    flood_seconds: int
    flooding: int

    @property
    def usual(self) -> int:
        """The number of wrk's connections at which most goals are set: 32."""
        return self.levels[-2]


@dataclass(frozen=True, slots=True)
class Setting:
    """keys: the API keys of the partners `loud` and `calm`."""

    sizes: Sizes
    place: Installation
    folder: Path
    upstream: Nginx
    keys: Mapping[str, str] = field(repr=False)
    proxy_core: int
    load_core: int

    def headers(self, partner: str = "loud") -> dict[str, str]:
        """The request's fields beside Host and Content-Length."""
        return {
            "Authorization": f"Bearer {self.keys[partner]}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }


def cores() -> tuple[int, int]:
    """(the core of what is measured, the core of what loads it); the same where there is one alone."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]
