"""The page of the keys: what is missing, what that means, and what to do, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from accounts import key_words
from sealing import health, keyring, survey, watch
from sealing.models import KeyCheck
from sealing.survey import ColumnSurvey, Survey

#: how long the page may look at stored values; larger databases get a sample
SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Link:
    """A row whose secret does not open. url is "" for staff who may not see it."""

    label: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A column in words. remedy says what to do when its key is lost for good; links names rows by primary key."""

    title: str
    remedy: str
    links: Callable[[HttpRequest, Sequence[object]], list[Link]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A column of which some values do not open."""

    title: str
    count: int
    period: str
    remedy: str
    links: list[Link]
    more: int


_places: dict[str, Place] = {}


def register(column: str, place: Place) -> None:
    """Add words for "db_table.column"; a column without any is shown by its name."""
    _places[column] = place


def context(request: HttpRequest) -> dict[str, Any]:
    """What the template shows; looks at the stored values first."""
    shared: dict[str, Any] = {"title": "Keys", "is_keys_page": True}
    try:
        names = keyring.ring().fingerprints
    except ImproperlyConfigured as error:
        return {**shared, "state": "lost", "message": str(error)}
    is_well, message = health.keys_are_well()
    found = survey.take(seconds=SECONDS)
    watch.forget()  # the banner must not contradict the page
    missing = health.key_of_database()
    return {
        **shared,
        "state": _state(is_well, found, len(names)),
        "message": message,
        "keys": names,
        "missing_key": "" if missing in names else missing,
        "survey": found,
        "columns": [one for one in found.columns if one.looked_at],
        "unreadable_words": key_words.counted(found, "unreadable"),
        "older_words": key_words.counted(found, "older"),
        "looked_at": found.total("looked_at"),
        "period": key_words.period(found),
        "findings": [
            _finding(request, one) for one in found.columns if one.unreadable and one.model is not KeyCheck
        ],
    }


def _state(is_well: bool, found: Survey, keys: int) -> str:
    if not is_well:
        return "lost"
    if found.total("unreadable"):
        return "partly"
    if found.total("older"):
        return "rotating"
    return "droppable" if keys > 1 else "well"


def _finding(request: HttpRequest, one: ColumnSurvey) -> Finding:
    place = _places.get(one.column)
    links = place.links(request, one.unreadable_pks) if place else []
    return Finding(
        title=place.title if place else one.column,
        count=one.unreadable,
        period=key_words.period(one),
        remedy=place.remedy if place else "",
        links=links,
        more=one.unreadable - len(links) if links else 0,
    )
