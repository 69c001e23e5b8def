"""Dotted paths into parsed JSON, as the entries use them."""

from __future__ import annotations

import json


def lookup(document: object, path: str) -> object:
    """The value at a dotted path (`errors.0.code`, `$` for the document), or None when there is none."""
    if path == "$":
        return document
    value = document
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def as_text(value: object) -> str:
    """A JSON value as the entries write it: text as it is, anything else as JSON (true, 602, null)."""
    return value if isinstance(value, str) else json.dumps(value)
