"""The words of a file of replies that stand for the values of one run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

NAMES = (
    "CLIENT_ID",
    "CLIENT_SECRET",
    "REDIRECT_URI",
    "STATE",
    "CODE",
    "CHALLENGE",
    "VERIFIER",
    "ACCESS_TOKEN",
    "REFRESH_TOKEN",
    "NEW_ACCESS_TOKEN",
    "NEW_REFRESH_TOKEN",
)
_PLACE = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(NAMES)})(?![A-Za-z0-9_])")


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """JSON data with each placeholder replaced, also inside of longer texts; a name without a value stays."""
    if isinstance(value, dict):
        return {name: filled(member, values) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(member, values) for member in value]
    if isinstance(value, str):
        return _PLACE.sub(lambda found: values.get(found[0], found[0]), value)
    return value


def filled_url(url: str, values: Mapping[str, str]) -> str:
    """The same for an address, in which values are percent-encoded."""
    return str(filled(url, {name: quote(value, safe="") for name, value in values.items()}))
