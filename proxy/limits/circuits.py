"""Circuit breakers: a provider that keeps failing is left alone for moments, and callers are told so at once.

Kept for each origin, so that a customer's own slow host is nobody else's trouble. On a shared origin a row of
failures opens the circuit for those who met them: for everybody when several partners did, for one partner's calls when
several of its connections did, or it could not even connect, else for one connection. A single reply of another
kind, to anybody, ends the row.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
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
#: a circuit that nobody has come to for so long is let go of
FORGOTTEN_SECONDS = 3_600.0
_MAX_ROWS = 10_000


class Way(NamedTuple):
    """The way that a call takes."""

    origin: str
    partner: Hashable
    connection_id: UUID


class Key(NamedTuple):
    """What a circuit is for. connection_id None: the partner's every way to the origin; partner None: anybody's."""

    origin: str
    partner: Hashable = None
    connection_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """For metrics and doctor. partner and connection_id as in Key; seconds: until the next call is let through."""

    origin: str
    partner: Hashable
    connection_id: UUID | None
    failures: int
    seconds: float


class _Row:
    """Failures one after another. met_by: the smallest circle that has met them all."""

    __slots__ = ("failures", "last", "met_by", "unconnected")

    def __init__(self, way: Way) -> None:
        self.met_by = Key(*way)
        self.failures = self.unconnected = 0
        self.last = 0.0

    def add(self, way: Way, now: float, *, is_unconnected: bool) -> None:
        self.last = now
        self.failures += 1
        self.unconnected = self.unconnected + 1 if is_unconnected else 0
        if way.partner != self.met_by.partner:
            self.met_by = Key(way.origin)
        elif way.connection_id != self.met_by.connection_id:
            self.met_by = Key(way.origin, way.partner)

    @property
    def opens(self) -> Key | None:
        """The circuit that it is long enough for."""
        if self.unconnected >= UNCONNECTED_IN_ROW:
            return self.met_by._replace(connection_id=None)
        return self.met_by if self.failures >= UNANSWERED_IN_ROW else None


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

    def wait_seconds(self, way: Way) -> float:
        """How long a call is refused; 0: it may go. Then, and only when it goes, say begin()."""
        now = time.monotonic()
        return max((max(0.0, circuit.until - now) for _, circuit in self._on(way)), default=0.0)

    def begin(self, way: Way) -> tuple[Key, ...]:
        """A call goes. The circuits that it probes; until it is over no other does."""
        now = time.monotonic()
        probed = []
        for key, circuit in self._on(way):
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

    def succeeded(self, way: Way) -> None:
        """The origin answers."""
        self._rows.pop(way.origin, None)
        for key, _ in self._on(way):
            del self._open[key]
            log.warning("a provider answers again", origin=way.origin)

    def failed(self, way: Way, *, is_unconnected: bool) -> None:
        """No connection could be made, or no reply came of what is behind the origin."""
        now = time.monotonic()
        if self._reopened(way, now):
            return
        row = self._rows.pop(way.origin, None)
        if row is None or now - row.last > ROW_SECONDS:
            row = _Row(way)
        row.add(way, now, is_unconnected=is_unconnected)
        self._sweep(now)
        if (key := row.opens) is None:
            self._rows[way.origin] = row
        else:
            self._opens(key, row.failures, now)

    def _sweep(self, now: float) -> None:
        """Let go of rows that have ended, which are the oldest, and of one too many."""
        while self._rows:
            origin = next(iter(self._rows))
            if len(self._rows) < _MAX_ROWS and now - self._rows[origin].last <= ROW_SECONDS:
                return
            del self._rows[origin]

    def open_circuits(self) -> list[OpenCircuit]:
        """Those that are open, or being probed."""
        now = time.monotonic()
        return [
            OpenCircuit(*key, circuit.failures, max(0.0, circuit.until - now))
            for key, circuit in self._open.items()
        ]

    def _on(self, way: Way) -> list[tuple[Key, _Circuit]]:
        """The circuits that a call comes through."""
        if not self._open:
            return []
        keys = (Key(way.origin), Key(way.origin, way.partner), Key(*way))
        return [(key, self._open[key]) for key in keys if key in self._open]

    def _reopened(self, way: Way, now: float) -> bool:
        """Whether the failure is one of a circuit that is open already; a failed probe opens it for longer."""
        met = self._on(way)
        for _, circuit in met:
            circuit.failures += 1
            if circuit.is_probed:
                circuit.is_probed = False
                circuit.seconds = min(circuit.seconds * 2, MAX_OPEN_SECONDS)
                circuit.until = now + circuit.seconds
        return bool(met)

    def _opens(self, key: Key, failures: int, now: float) -> None:
        for each in [each for each, circuit in self._open.items() if now - circuit.until > FORGOTTEN_SECONDS]:
            del self._open[each]
        if len(self._open) >= _MAX_ROWS:
            self._open.pop(next(iter(self._open)))
        self._open[key] = _Circuit(failures, now + OPEN_SECONDS)
        log.error(
            "a provider keeps failing", origin=key.origin, failures=failures, is_for_all=key.partner is None
        )
