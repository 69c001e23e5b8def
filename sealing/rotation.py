"""Sealing everything anew under the newest key, while the system runs.

Rows are read in batches by primary key, so memory stays flat, and written by compare and swap: a token that
was stored between the read and the write is never replaced by the old one. What is under the newest key
already is skipped, so an interrupted run is simply started again. Rows that somebody else holds are left out of
a batch and done one by one: who holds many locks must not wait for another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction

from sealing import health
from sealing.errors import UnreadableSecret
from sealing.fields import sealed_field
from sealing.models import KeyCheck
from sealing.places import sealed_fields
from sealing.sealed import Sealed
from sealing.survey import BATCH_SIZE, Progress

RETRIES = 3
MAX_NAMED_ROWS = 20


@dataclass(frozen=True)
class RotationReport:
    """What one pass over one column did; counts are rows that hold a value.

    resealed: written under the newest key (or due to be, in a dry run). unreadable: no key opens them; left as
    they are, the first MAX_NAMED_ROWS named in `unreadable_contexts`. raced: changed by somebody else
    meanwhile; tried again with the newer value. left: those of them for which that went on, so that the old key is
    needed still.
    """

    scanned: int = 0
    resealed: int = 0
    unreadable: int = 0
    raced: int = 0
    left: int = 0
    unreadable_contexts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnReport:
    """One line of `rotate_all`. `column` is "db_table.column"."""

    column: str
    report: RotationReport


def rotate_all(
    *,
    batch_size: int = BATCH_SIZE,
    using: str = DEFAULT_DB_ALIAS,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Iterator[ColumnReport]:
    """Reseal every sealed column of the database, yielding one report after each.

    One pass: what a process that does not have the new order of keys yet writes behind it needs another.
    """
    # The canary last: while it is under the old key, an interrupted rotation shows when that key is dropped.
    for model, column in sorted(sealed_fields(using), key=lambda place: place[0] is KeyCheck):
        report = reseal(
            model, column.name, batch_size=batch_size, using=using, dry_run=dry_run, progress=progress
        )
        if model is KeyCheck and not dry_run:
            health.note_key(using)
        yield ColumnReport(column.place, report)


def reseal(
    model: type[models.Model],
    field: str,
    *,
    batch_size: int = BATCH_SIZE,
    using: str = DEFAULT_DB_ALIAS,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> RotationReport:
    """Reseal one column under the newest key. Never raises for a row that does not open.

    Raises TypeError when the field is no SealedField.
    """
    # On the model whose table has the column: a child's UPDATE of it would be two statements, no swap.
    place = sealed_field(model, field)
    column = _Column(place.model, field, using)
    for batch in column.batches(batch_size):
        swaps = [swap for sealed in batch if (swap := column.prepare(sealed))]
        if dry_run:
            column.resealed += len(swaps)
        else:
            for pk in column.write(swaps):
                column.try_again(pk)
        if progress is not None:
            progress(place.place, column.scanned)
    return column.report()


@dataclass(frozen=True)
class _Swap:
    old: Sealed
    new: Sealed


@dataclass
class _Column:
    model: type[models.Model]
    name: str
    using: str
    scanned: int = 0
    resealed: int = 0
    unreadable: int = 0
    raced: int = 0
    left: int = 0
    contexts: list[str] = field(default_factory=list)

    def rows(self) -> models.QuerySet[Any]:
        return self.model._base_manager.using(self.using).filter(**{f"{self.name}__isnull": False})

    def batches(self, size: int) -> Iterator[list[Sealed]]:
        rows = self.rows().order_by("pk").values_list("pk", self.name)
        batch = list(rows[:size])
        while batch:
            self.scanned += len(batch)
            yield [sealed.bind(pk) for pk, sealed in batch]
            batch = list(rows.filter(pk__gt=batch[-1][0])[:size])

    def prepare(self, old: Sealed) -> _Swap | None:
        """None when there is nothing to do, or nothing that can be done."""
        try:
            new = old.resealed()
        except UnreadableSecret as error:
            self.unreadable += 1
            if len(self.contexts) < MAX_NAMED_ROWS:
                self.contexts.append(error.context)
            return None
        return None if new is None else _Swap(old, new)

    def write(self, swaps: list[_Swap]) -> list[object]:
        """One short transaction with no decryption in it. Returns the rows that had changed meanwhile."""
        if not swaps:
            return []
        with transaction.atomic(using=self.using):
            free = self.lock([swap.old.pk for swap in swaps])
            raced = [swap.old.pk for swap in swaps if swap.old.pk not in free or not self.swap(swap)]
        self.resealed += len(swaps) - len(raced)
        self.raced += len(raced)
        return raced

    def lock(self, pks: list[object]) -> frozenset[object]:
        """Those of the rows that nobody else holds, held from now on; all of them where rows are not locked."""
        if not connections[self.using].features.has_select_for_update_skip_locked:
            return frozenset(pks)
        rows = self.rows().filter(pk__in=pks).select_for_update(skip_locked=True, of=("self",))
        return frozenset(rows.values_list("pk", flat=True))

    def swap(self, swap: _Swap) -> bool:
        unchanged = self.rows().filter(**{"pk": swap.old.pk, f"{self.name}__stored_as": swap.old})
        return unchanged.update(**{self.name: swap.new}) == 1

    def try_again(self, pk: object) -> None:
        for _ in range(RETRIES):
            now = self.rows().filter(pk=pk).values_list(self.name, flat=True).first()
            swap = None if now is None else self.prepare(now.bind(pk))
            if swap is None:
                return
            if self.swap(swap):
                self.resealed += 1
                return
        self.left += 1

    def report(self) -> RotationReport:
        return RotationReport(
            scanned=self.scanned,
            resealed=self.resealed,
            unreadable=self.unreadable,
            raced=self.raced,
            left=self.left,
            unreadable_contexts=tuple(self.contexts),
        )
