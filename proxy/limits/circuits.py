"""Circuit breakers: a provider that keeps failing is left alone for moments, and callers are told so at once.

Kept for each origin, so that a customer's own slow host is nobody else's trouble. On a shared origin a row of
failures that one connection alone has met opens the circuit for that connection alone, unless nothing could
even connect. A single reply of another kind, to anybody, ends the row.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import structlog

log = structlog.get_logger(__name__)
#: failures in a row that open a circuit: no connection at all; no reply, or 502, 503 and 504
UNCONNECTED_IN_ROW = 10
UNANSWERED_IN_ROW = 20
#: a row with a longer gap in it is none
ROW_SECONDS = 60.0
#: how long a circuit is open at first; each probe that fails doubles it up to the second number
OPEN_SECONDS = 10.0
MAX_OPEN_SECONDS = 60.0
#: a probe that takes longer is joined by another
PROBE_SECONDS = 30.0
#: replies by which a server says that what is behind it does not answer
GATEWAY_FAILURES = frozenset({502, 503, 504})
_MAX_ROWS = 10_000


class Key(NamedTuple):
    """What a circuit leads to. connection_id None: the whole origin."""

    origin: str
    connection_id: UUID | None


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """For metrics and doctor. seconds: until the next call is let through."""

    origin: str
    connection_id: UUID | None
    failures: int
    seconds: float


class _Row:
    """Failures one after another. connection_id None: several connections have met them."""

    __slots__ = ("connection_id", "failures", "last", "unconnected")

    def __init__(self, connection_id: UUID) -> None:
        self.connection_id: UUID | None = connection_id
        self.failures = self.unconnected = 0
        self.last = 0.0


class _Circuit:
    __slots__ = ("failures", "is_probed", "seconds", "until")

    def __init__(self, failures: int, until: float) -> None:
        self.failures = failures
        self.seconds = OPEN_SECONDS
        self.until = until
        self.is_probed = False


class Circuits:
    """One per data plane; used on its loop alone."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._open: dict[Key, _Circuit] = {}

    @property
    def is_quiet(self) -> bool:
        """Whether no origin is failing."""
        return not self._rows and not self._open

    def wait_seconds(self, origin: str, connection_id: UUID) -> float:
        """How long a call is refused; 0: it may go. Then, and only when it goes, say begin()."""
        now = time.monotonic()
        return max(
            (max(0.0, circuit.until - now) for _, circuit in self._on_way(origin, connection_id)), default=0.0
        )

    def begin(self, origin: str, connection_id: UUID) -> tuple[Key, ...]:
        """A call goes. The circuits that it probes; until it is over no other does."""
        now = time.monotonic()
        probed = []
        for key, circuit in self._on_way(origin, connection_id):
            circuit.until = now + PROBE_SECONDS
            circuit.is_probed = True
            probed.append(key)
        return tuple(probed)

    def give_up(self, probed: tuple[Key, ...]) -> None:
        """A probe ended without telling anything: the next call may try."""
        now = time.monotonic()
        for key in probed:
            circuit = self._open.get(key)
            if circuit is not None and circuit.is_probed:
                circuit.is_probed = False
                circuit.until = now

    def succeeded(self, origin: str, connection_id: UUID) -> None:
        """The origin answers."""
        self._rows.pop(origin, None)
        for key, _ in self._on_way(origin, connection_id):
            del self._open[key]
            log.warning("a provider answers again", origin=origin)

    def failed(self, origin: str, connection_id: UUID, *, is_unconnected: bool) -> None:
        """No connection could be made, or no reply came of what is behind the origin."""
        now = time.monotonic()
        if self._reopened(origin, connection_id, now):
            return
        row = self._rows.pop(origin, None)
        if row is None or now - row.last > ROW_SECONDS:
            row = _Row(connection_id)
        if len(self._rows) >= _MAX_ROWS:
            self._rows.pop(next(iter(self._rows)))
        self._rows[origin] = row
        row.last = now
        row.failures += 1
        row.unconnected = row.unconnected + 1 if is_unconnected else 0
        if connection_id != row.connection_id:
            row.connection_id = None
        if row.unconnected >= UNCONNECTED_IN_ROW:
            self._opens(Key(origin, None), row.failures, now)
        elif row.failures >= UNANSWERED_IN_ROW:
            self._opens(Key(origin, row.connection_id), row.failures, now)

    def open_circuits(self) -> list[OpenCircuit]:
        """Those that are open, or being probed."""
        now = time.monotonic()
        return [
            OpenCircuit(key.origin, key.connection_id, circuit.failures, max(0.0, circuit.until - now))
            for key, circuit in self._open.items()
        ]

    def _on_way(self, origin: str, connection_id: UUID) -> list[tuple[Key, _Circuit]]:
        if not self._open:
            return []
        keys = (Key(origin, None), Key(origin, connection_id))
        return [(key, self._open[key]) for key in keys if key in self._open]

    def _reopened(self, origin: str, connection_id: UUID, now: float) -> bool:
        """Whether the failure is one of a circuit that is open already; a failed probe opens it for longer."""
        met = self._on_way(origin, connection_id)
        for _, circuit in met:
            circuit.failures += 1
            if circuit.is_probed:
                circuit.is_probed = False
                circuit.seconds = min(circuit.seconds * 2, MAX_OPEN_SECONDS)
                circuit.until = now + circuit.seconds
        return bool(met)

    def _opens(self, key: Key, failures: int, now: float) -> None:
        del self._rows[key.origin]
        if len(self._open) >= _MAX_ROWS:
            self._open.pop(next(iter(self._open)))
        self._open[key] = _Circuit(failures, now + OPEN_SECONDS)
        log.error("a provider keeps failing", origin=key.origin, failures=failures)
