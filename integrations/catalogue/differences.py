"""What two entries say differently, place by place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: what stands where one of the two documents says nothing
NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One place, as a JSON path, with what each document holds there as JSON text."""

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}: {self.before} -> {self.after}"


def differences(before: Any, after: Any, path: str = "$") -> Iterator[Difference]:
    """The places in which two documents of JSON data differ, in the order of the first."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from differences(before.get(name, _MISSING), after.get(name, _MISSING), f"{path}.{name}")
    elif _are_records(before) and _are_records(after):
        for index in range(max(len(before), len(after))):
            old, new = (items[index] if index < len(items) else _MISSING for items in (before, after))
            yield from differences(old, new, f"{path}[{index}]")
    elif before != after:
        yield Difference(path, _text(before), _text(after))


class _Missing:
    """Marks the side that has nothing at a place."""


_MISSING = _Missing()


def _are_records(value: Any) -> bool:
    """Lists of objects are compared one by one; lists of words as a whole."""
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _text(value: Any) -> str:
    return NOTHING if isinstance(value, _Missing) else json.dumps(value, ensure_ascii=False)
