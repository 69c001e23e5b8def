"""The state of the keys at a glance, for pages that are opened all the time: a few milliseconds, twice a minute.

The canary, a few values of each column taken by chance, and the places where this process lately met a value
that it could not open. A look at everything is `survey.take`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from threading import Lock

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, transaction

from sealing import health, keyring, noticed
from sealing.places import sealed_fields
from sealing.sealed import Sealed
from sealing.survey import around

ROWS = 20
KEEP_SECONDS = 30.0
_lock = Lock()
_seen: dict[tuple[str, tuple[str, ...]], tuple[float, Glance]] = {}


@dataclass(frozen=True)
class Glance:
    """is_lost: the canary does not open. unreadable: places of values that do not, where it does."""

    is_lost: bool = False
    message: str = ""
    unreadable: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        return not self.is_lost and not self.unreadable


def glance(using: str = DEFAULT_DB_ALIAS) -> Glance:
    """The state of lately."""
    try:
        key = (using, keyring.ring().fingerprints)
    except ImproperlyConfigured as error:
        return Glance(is_lost=True, message=str(error))
    with _lock:
        known = _seen.get(key)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        found = _look(using)
        _seen.clear()
        _seen[key] = (time.monotonic() + KEEP_SECONDS, found)
        return found


def forget() -> None:
    """Look anew at the next glance."""
    with _lock:
        _seen.clear()


def _look(using: str) -> Glance:
    is_well, message = health.keys_are_well(using)
    if not is_well:
        return Glance(is_lost=True, message=message)
    for sealed in _suspects(using):
        if sealed.is_readable():  # what does not open is noticed by that
            noticed.remove(sealed.column, sealed.pk)
    return Glance(unreadable=tuple(f"{column}:{pk}" for column, pk in noticed.places()))


def _suspects(using: str) -> Iterator[Sealed]:
    places = noticed.places()
    for model, column in sealed_fields(using):
        pks = [pk for place, pk in places if place == column.place]
        rows = model._base_manager.using(using)
        try:
            with transaction.atomic(using=using):
                known = dict(rows.filter(pk__in=pks).values_list("pk", column.name)) if pks else {}
                chosen = list(islice(chain.from_iterable(around(rows, column.name, size=ROWS)), ROWS))
        except DatabaseError:  # the table or the column comes with a migration that has not run
            continue
        for pk in pks:
            if known.get(pk) is None:  # the row or its value has gone
                noticed.remove(column.place, pk)
        for pk, sealed in (*known.items(), *chosen):
            if sealed is not None:
                yield sealed.bind(pk)
