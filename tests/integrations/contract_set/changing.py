"""An entry with one of its values changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from integrations.catalogue import Provider

#: where each change is, as a dotted path, and what stands there then
Changes = Iterator[tuple[str, Any]]
Operator = Callable[[Provider], Changes]
#: in place of a value: what is there goes
GONE = object()


def changed(provider: Provider, path: str, to: Any) -> Provider:
    """A copy with another value at a dotted path of members, list items and keys of mappings; GONE removes it."""
    copied: Provider = _changed(provider, path, to)
    return copied


def _changed(holder: Any, path: str, to: Any) -> Any:
    name, _, rest = path.partition(".")
    if isinstance(holder, tuple):
        at = int(name)
        new = _changed(holder[at], rest, to) if rest else to
        return (*holder[:at], *(() if new is GONE else (new,)), *holder[at + 1 :])
    if dataclasses.is_dataclass(holder) and not isinstance(holder, type):
        new = _changed(getattr(holder, name), rest, to) if rest else to
        return dataclasses.replace(holder, **{name: new})
    # A key may hold dots; nothing lies below it.
    kept = {key: member for key, member in holder.items() if key != path or to is not GONE}
    return type(holder)(kept if to is GONE else {**kept, path: to})
