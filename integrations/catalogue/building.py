"""Turning checked JSON data into the entry's frozen dataclasses, by their type hints."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import date
from typing import Any, TypeVar

from .frozen import FrozenMap

T = TypeVar("T")

_HINTS: dict[type[Any], dict[str, Any]] = {}


def build(cls: type[T], document: Mapping[str, Any]) -> T:
    """An instance of a dataclass from a document that the schema has accepted."""
    hints = _hints(cls)
    return cls(**{name: _value(hints[name], value) for name, value in document.items()})


def _hints(cls: type[Any]) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = typing.get_type_hints(cls)
    return _HINTS[cls]


def _value(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _value(next(argument for argument in arguments if argument is not types.NoneType), value)
    if origin is tuple:
        return tuple(_value(arguments[0], item) for item in value)
    if origin is Mapping:
        return FrozenMap({key: _value(arguments[1], item) for key, item in value.items()})
    if hint is date:
        return date.fromisoformat(value)
    if is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), value)
    return value
