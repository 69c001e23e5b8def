"""Seconds as people say them."""

from __future__ import annotations

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def in_words(seconds: int) -> str:
    """ "30 minutes", "60 days", "1 hour 30 minutes": in one unit where that is even, else in the largest two."""
    for size, name in _UNITS[:-1]:
        if seconds >= size and seconds % size == 0:
            return _counted(seconds // size, name)
    parts = []
    rest = seconds
    for size, name in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(_counted(count, name))
    return " ".join(parts[:2]) if parts else "0 seconds"


def _counted(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'' if count == 1 else 's'}"
