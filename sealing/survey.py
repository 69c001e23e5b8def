"""Which key each stored value is under, and which values no key opens. Reads only.

Columns are walked by primary key from a place taken by chance, and around: what was looked at before the time
ran out is then a fair sample. Nothing is held but counts and a few examples.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, models

from sealing import noticed
from sealing.fields import SealedField
from sealing.places import sealed_fields
from sealing.sealed import Sealed

BATCH_SIZE = 500
MAX_EXAMPLES = 20

#: told after each batch: the column, and how many of its rows were read
Progress = Callable[[str, int], None]


@dataclass
class ColumnSurvey:
    """What was found in one column; counts are of rows that hold a value.

    is_complete: every row was looked at. unreadable_pks holds the first MAX_EXAMPLES; sealed_from and sealed_to
    say when the unreadable values claim to have been sealed.
    """

    model: type[models.Model]
    column: str
    newest: int = 0
    older: int = 0
    unreadable: int = 0
    is_complete: bool = False
    unreadable_pks: list[object] = field(default_factory=list)
    sealed_from: datetime | None = None
    sealed_to: datetime | None = None

    @property
    def looked_at(self) -> int:
        return self.newest + self.older + self.unreadable

    def add(self, sealed: Sealed) -> None:
        position = sealed.key_position()
        if position is None:
            self._add_unreadable(sealed)
        elif position == 0:
            self.newest += 1
        else:
            self.older += 1

    def _add_unreadable(self, sealed: Sealed) -> None:
        self.unreadable += 1
        if len(self.unreadable_pks) < MAX_EXAMPLES:
            self.unreadable_pks.append(sealed.pk)
            noticed.add(self.column, sealed.pk)
        moment = sealed.claimed_time
        if moment is not None:
            self.sealed_from = min(self.sealed_from or moment, moment)
            self.sealed_to = max(self.sealed_to or moment, moment)


@dataclass(frozen=True)
class Survey:
    """Every column's finding."""

    columns: tuple[ColumnSurvey, ...]

    def total(self, name: str) -> int:
        """The sum of looked_at, newest, older or unreadable."""
        return sum(getattr(column, name) for column in self.columns)

    @property
    def is_complete(self) -> bool:
        return all(column.is_complete for column in self.columns)


def take(
    *, using: str = DEFAULT_DB_ALIAS, seconds: float | None = None, progress: Progress | None = None
) -> Survey:
    """Look at every sealed value, or at what can be looked at in so many seconds, shared among the columns.

    Raises ImproperlyConfigured when FERNET_KEYS is no valid ring.
    """
    places = list(sealed_fields(using))
    ends_at = None if seconds is None else time.monotonic() + seconds
    columns = []
    for number, (model, column) in enumerate(places):
        share = None if ends_at is None else _share(ends_at, len(places) - number)
        columns.append(_look(model, column, using=using, ends_at=share, progress=progress))
    return Survey(tuple(columns))


def _share(ends_at: float, columns_left: int) -> float:
    """What one column did not need is left to those after it."""
    now = time.monotonic()
    return now + max(0.0, ends_at - now) / columns_left


def _look(
    model: type[models.Model],
    column: SealedField,
    *,
    using: str,
    ends_at: float | None,
    progress: Progress | None,
) -> ColumnSurvey:
    found = ColumnSurvey(model, column.place)
    read = 0
    try:
        for batch in around(model._base_manager.using(using), column.name):
            for pk, sealed in batch:
                if sealed is not None:
                    found.add(sealed.bind(pk))
            read += len(batch)
            if progress is not None:
                progress(column.place, read)
            if ends_at is not None and time.monotonic() >= ends_at:
                return found
    except DatabaseError:  # the table or the column comes with a migration that has not run
        return found
    found.is_complete = True
    return found


def around(
    rows: models.QuerySet[Any], name: str, *, size: int = BATCH_SIZE
) -> Iterator[list[tuple[Any, Sealed | None]]]:
    """(pk, value) in batches. NULLs are read too: a batch costs the same however many rows hold nothing."""
    pairs = rows.order_by("pk").values_list("pk", name)
    pk_field: Any = rows.model._meta.pk
    while pk_field.remote_field is not None:
        pk_field = pk_field.target_field
    if not isinstance(pk_field, models.UUIDField):
        yield from _batches(pairs, size)
        return
    start = uuid.uuid4()
    yield from _batches(pairs.filter(pk__gte=start), size)
    yield from _batches(pairs.filter(pk__lt=start), size)


def _batches(pairs: models.QuerySet[Any, Any], size: int) -> Iterator[list[tuple[Any, Sealed | None]]]:
    batch = list(pairs[:size])
    while batch:
        yield batch
        batch = list(pairs.filter(pk__gt=batch[-1][0])[:size]) if len(batch) == size else []
