"""What is run: every database, Redis and provider against each other, then the kills."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DATABASES = ("sqlite", "postgresql")
#: none: not configured, the folder broker; down: configured and not there; killed: by SIGKILL among the calls
REDIS = ("none", "up", "down", "killed")
DELAYS = (0, 2, 12)
#: the last with this field; without it, the provider's own 110 s hold
SLOW_TIMEOUT_SECONDS = 60
CALLS = 200
#: longer than a lease: what a provider must let pass for a kill after its reply to cost nothing
GRACE_SECONDS = 120
KINDS = ("web", "worker")
#: what the kills run on: each database with the broker and cache that go with it
USUAL_REDIS = {"sqlite": "none", "postgresql": "up"}
#: as the product's code is passed: nothing is sent, the reply is there, the UPDATE is about to be sent, it is committed
POINTS = ("before_request", "after_reply", "before_update", "after_commit")
#: not killed: told to end, by SIGTERM, while the provider takes this long to answer
STOPPED = "stopped"
STOPPED_DELAY = 6
#: the provider has rotated, and nobody else knows
WINDOW = frozenset({"after_reply", "before_update"})


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run. point and kind are "" where nothing is killed."""

    database: str
    redis: str
    delay: int = 0
    point: str = ""
    kind: str = ""
    grace: int = 0
    calls: int = CALLS

    @property
    def name(self) -> str:
        """Names it on the command line, whole or in part."""
        parts = [self.database, f"redis-{self.redis}"]
        if self.point:
            parts += [self.point, self.kind, "grace" if self.grace else "no-grace"]
        else:
            parts.append(f"{self.delay}s")
        return "-".join(parts)

    @property
    def timeout_seconds(self) -> int | None:
        """What the calls ask for in Patchbay-Timeout."""
        return SLOW_TIMEOUT_SECONDS if self.point or self.delay >= 12 else None

    @property
    def may_lose(self) -> bool:
        """The documented window: killed in it, at a provider that takes a refresh token only once."""
        return self.point in WINDOW and not self.grace


def matrix(databases: Sequence[str] = DATABASES) -> list[Scenario]:
    """Calls on one expired token while nothing of ours dies."""
    return [Scenario(name, redis, delay) for name in databases for redis in REDIS for delay in DELAYS]


def kills(databases: Sequence[str] = DATABASES, *, choose: random.Random) -> list[Scenario]:
    """The holder of the lease dies before the request, in the window, and after the commit.

    Where in the window is left to chance.
    """
    found = []
    for name in databases:
        for kind in KINDS:
            for grace in (GRACE_SECONDS, 0):
                window = choose.choice(sorted(WINDOW))
                for point in ("before_request", window, "after_commit"):
                    found.append(Scenario(name, USUAL_REDIS[name], 0, point, kind, grace))
    return found


def stops(databases: Sequence[str] = DATABASES) -> list[Scenario]:
    """The holder of the lease is told to end while it waits for the provider, which gives no grace."""
    return [
        Scenario(name, USUAL_REDIS[name], STOPPED_DELAY, STOPPED, kind)
        for name in databases
        for kind in KINDS
    ]


def quick() -> list[Scenario]:
    """A minute's look at whether all of this works; most of it is the dead process's lease running out."""
    return [
        Scenario("sqlite", "none", calls=80),
        Scenario("sqlite", "none", point="after_reply", kind="web", grace=GRACE_SECONDS, calls=80),
    ]


def chosen(scenarios: Iterable[Scenario], only: str) -> list[Scenario]:
    """Those whose name holds the text."""
    return [scenario for scenario in scenarios if only in scenario.name]
