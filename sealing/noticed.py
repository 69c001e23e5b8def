"""Values that this process could not open: kept by place, for the pages that tell the operator of them."""

from __future__ import annotations

from threading import Lock

MOST = 50
_lock = Lock()
_places: dict[tuple[str, object], None] = {}


def add(column: str, pk: object) -> None:
    """Remember a place. The newest MOST are kept; what has healed since is for the reader to find out."""
    with _lock:
        _places.pop((column, pk), None)
        _places[column, pk] = None
        while len(_places) > MOST:
            _places.pop(next(iter(_places)))


def places() -> list[tuple[str, object]]:
    """("db_table.column", pk) of each, the newest last."""
    with _lock:
        return list(_places)


def remove(column: str, pk: object) -> None:
    """Forget a place, once it was seen to open."""
    with _lock:
        _places.pop((column, pk), None)
