"""Entries that are members of a family: they name another entry and say what is different about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Document = dict[str, Any]
#: what is one entry's alone, whatever it extends
OWN = ("id", "display_name", "stackgo_name", "extends", "without")


def extended(base: Mapping[str, Any], own: Mapping[str, Any]) -> Document:
    """The base's document with the own one laid over it, without `extends` and `without`.

    Mappings are merged member by member; lists and everything else are replaced as a whole. `without` lists
    dotted paths that the base has and this entry has not. The base's own names are not taken over.
    Raises KeyError with a path of `without` that the base does not have.
    """
    inherited = {name: value for name, value in base.items() if name not in OWN}
    for path in own.get("without", ()):
        inherited = _dropped(inherited, path.split("."), path)
    merged = _merged(inherited, own)
    return {name: value for name, value in merged.items() if name not in ("extends", "without")}


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> Document:
    merged = dict(base)
    for name, value in own.items():
        before = base.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = _merged(before, value)
        merged[name] = value
    return merged


def _dropped(document: Mapping[str, Any], steps: Iterable[str], path: str) -> Document:
    first, *rest = steps
    if first not in document:
        raise KeyError(path)
    kept = dict(document)
    if rest:
        inner = kept[first]
        if not isinstance(inner, Mapping):
            raise KeyError(path)
        kept[first] = _dropped(inner, rest, path)
    else:
        del kept[first]
    return kept
