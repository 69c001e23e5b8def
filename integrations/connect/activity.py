"""What a connection is used for, in numbers; the layer that makes the calls knows them and registers its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one kind: how many in the last 24 hours and in the whole time, and when the last was over."""

    day: int = 0
    whole: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """What the provider was asked for with one connection in the last `days` days.

    changes: calls that sent or changed something. newest_only: where there may have been more calls, so many were
    counted; None where all were.
    """

    days: int
    reads: Calls = Calls()
    changes: Calls = Calls()
    deletions: Calls = Calls()
    newest_only: int | None = None

    @property
    def last_at(self) -> datetime | None:
        """When the last call of any kind was over."""
        moments = (calls.last_at for calls in (self.reads, self.changes, self.deletions))
        return max((moment for moment in moments if moment), default=None)


#: connections -> what each was used for; one that is not in the answer is one of which nothing is known
Source = Callable[[Sequence[UUID]], Mapping[UUID, Activity]]
_sources: list[Source] = []


def register_activity(source: Source) -> None:
    """A higher layer offers what connections are used for; what it says has to be quick to find out."""
    _sources.append(source)


def activity_of(connection_ids: Sequence[UUID]) -> dict[UUID, Activity]:
    """What the registered sources know; {} without connections."""
    found: dict[UUID, Activity] = {}
    for source in _sources if connection_ids else ():
        found.update(source(connection_ids))
    return found
