"""The words of a file of replies that stand for the values of one run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
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
_MOMENT = re.compile(r"now\+([0-9]+)(|ms|iso|date)")


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


def timed(value: Any, now: datetime) -> Any:
    """JSON data with each text like `now+30` as the moment in so many seconds: as an epoch's seconds, with `ms` its
    milliseconds, with `iso` in ISO 8601, with `date` as an HTTP date."""
    if isinstance(value, dict):
        return {name: timed(member, now) for name, member in value.items()}
    if isinstance(value, list):
        return [timed(member, now) for member in value]
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    moment = now + timedelta(seconds=int(found[1]))
    if found[2] == "iso":
        return moment.isoformat()
    if found[2] == "date":
        return format_datetime(moment.replace(microsecond=0), usegmt=True)
    return str(int(moment.timestamp() * (1000 if found[2] == "ms" else 1)))
