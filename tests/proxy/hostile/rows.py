"""One row of the hostile table: what a caller writes, what must come of it, and why somebody would try it."""

from __future__ import annotations

from dataclasses import dataclass

API = "https://api.hubapi.com"
OPEN = 200
NOT_ALLOWED = "destination_not_allowed"
NO_REQUEST = "invalid_request"
#: refused by the server's parser, before any of our code: an answer without a problem document
SERVER = "server"
#: not a path of the API: a page that says 404
PAGE = "page"
_STATUSES = {NOT_ALLOWED: 403, PAGE: 404, "not_found": 404, "connection_not_found": 404}


@dataclass(frozen=True, slots=True)
class Row:
    """text: what is written. code: the problem that answers it, "" when it lands.

    lands: the origin and request target at which the call arrives, and nowhere else.
    """

    id: str
    text: str
    why: str
    code: str = NO_REQUEST
    lands: str = ""

    @property
    def status(self) -> int:
        return OPEN if self.lands else _STATUSES.get(self.code, 400)

    def __str__(self) -> str:
        return self.id


def bad(id: str, text: str, why: str) -> Row:
    """Refused as no URL at all: 400 invalid_request."""
    return Row(id, text, why)


def denied(id: str, text: str, why: str) -> Row:
    """A URL, but of another place: 403 destination_not_allowed."""
    return Row(id, text, why, code=NOT_ALLOWED)


def lands(id: str, text: str, at: str, why: str) -> Row:
    """Harmless: it arrives, credential and all, at the provider's own origin, byte for byte."""
    return Row(id, text, why, code="", lands=at if at.startswith("https:") else API + at)


def unparsed(id: str, text: str, why: str) -> Row:
    """Never becomes a request: the HTTP parser answers 400."""
    return Row(id, text, why, code=SERVER)


def none(id: str, text: str, why: str, code: str = "not_found") -> Row:
    """Not a call of that customer: 404."""
    return Row(id, text, why, code=code)
