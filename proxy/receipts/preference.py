"""The Prefer header field (RFC 7240), as far as it asks for a reply that comes later."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from proxy.credentials import Field

#: no call waits longer before it is answered with a receipt
MAX_WAIT_SECONDS = 60
#: what a comma or a semicolon ends, outside of quoted strings
_PIECE = re.compile(r"""(?:[^",;]|"(?:[^"\\]|\\.)*")*""").match
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"').fullmatch
_DIGITS = re.compile(r"[0-9]{1,9}").fullmatch
_SPACE = " \t"
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Preference:
    """What a caller prefers. wait_seconds: how long it would rather wait for the reply itself; 0 not at all."""

    respond_async: bool = False
    wait_seconds: int = 0


_NONE = Preference()


def read(fields: Iterable[Field]) -> Preference:
    """The preferences of a request's header section, names in lower case. Never raises: a preference that is
    not understood is as good as not there, and of one that is given twice the first counts (section 2)."""
    values = [value.decode("latin-1") for name, value in fields if name == b"prefer"]
    if not values:
        return _NONE
    found: dict[str, str] = {}
    for name, value in _preferences(",".join(values)):
        found.setdefault(name, value)
    if found.get("respond-async", "?") != "":  # it takes no value; an empty one is none (section 2)
        return _NONE
    wait = found.get("wait", "")
    return Preference(True, min(int(wait), MAX_WAIT_SECONDS) if _DIGITS(wait) else 0)


def _preferences(text: str) -> Iterator[tuple[str, str]]:
    """(name in lower case, value or "") of each preference; parameters after a semicolon are left out."""
    at, is_parameter = 0, False
    while at <= len(text):
        piece = _PIECE(text, at)
        assert piece is not None  # it matches nothing, too
        name, _, value = (part.strip(_SPACE) for part in piece[0].partition("="))
        if not is_parameter and _TOKEN(name) and (not value or _TOKEN(value) or _QUOTED(value)):
            yield name.lower(), _unquoted(value)
        end = text[piece.end() : piece.end() + 1]
        if end == '"':  # a quoted string that does not end: nothing after it can be told apart
            return
        is_parameter = end == ";"
        at = piece.end() + 1


def _unquoted(word: str) -> str:
    return _ESCAPE.sub(r"\1", word[1:-1]) if word.startswith('"') else word
