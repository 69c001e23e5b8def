"""What to do first: the overview's short list, filled by the apps, until all of it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. url is "" for staff who may not do it."""

    title: str
    text: str
    is_done: bool
    url: str = ""
    action: str = ""


_makers: dict[int, Callable[[HttpRequest], Step]] = {}


def register(position: int, maker: Callable[[HttpRequest], Step]) -> None:
    """Add a step; the one with the lowest position is shown first."""
    _makers[position] = maker


def steps_for(request: HttpRequest) -> list[Step]:
    return [maker(request) for _, maker in sorted(_makers.items())]
