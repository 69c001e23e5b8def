"""Which paths are closed to partners: a catalogue's patterns against every way in which a server may read a path."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from integrations.catalogue import ClosedPath

_SLASHES = re.compile(r"/{2,}")
_PARAMETERS = re.compile(r";[^/]*")
_NEEDS_WORK = re.compile(r"%|//|;|\\|[^\x00-\x7f]|/\.|\.(?:/|$)").search
#: more than any row of servers does; whoever encodes more often hides something
_MOST_DECODINGS = 8
#: two to four bytes for what UTF-8 writes in one or two (RFC 3629 section 10), and the old `%u002f`
_OVERLONG = re.compile(rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}").sub
_WIDE = re.compile(r"%u([0-9a-f]{4})", re.IGNORECASE).sub
#: what some servers skip: control and format characters, and white space
_SKIPPED = frozenset({"Cc", "Cf", "Zs"})
_SKIPPED_ASCII = re.compile(r"[\x00-\x20\x7f]+").sub
#: a path ends here for a server that decodes before it takes a URL apart
_ENDS = re.compile(r"[?#]").search
_ANY, _BELOW = "{any}", "**"
_PLACEHOLDERS = re.compile(r"/?(?:\{any\}|\*\*)/?")
#: `/composite.json` is `/composite` to servers that take the format from the name
_FORMAT = r"(?:\.[a-z]+)?"
#: a text that every path of a rule holds, what matches its paths, and what to do instead
_Rules = tuple[tuple[str, Callable[[str], object], str | None], ...]


class ClosedPaths:
    """The closed paths of one provider, made ready. False when there are none.

    A pattern's `{any}` is a whole segment or a part of one, `**` any number of segments; letter case, an extension
    at its end and a slash after it make no difference.
    """

    __slots__ = ("_by_host",)

    def __init__(self, closed: tuple[ClosedPath, ...]) -> None:
        self._by_host: dict[str | None, _Rules] = {}
        for host in {rule.host for rule in closed} | {None}:
            rules = [rule for rule in closed if rule.host in (None, host)]
            self._by_host[host] = tuple((_needle(rule), _compiled(rule), rule.instead) for rule in rules)

    def __bool__(self) -> bool:
        return any(self._by_host.values())

    def refusal(self, host: str, raw_path: str) -> str:
        """Why this path is closed, and what to do instead; "" for a path that is open."""
        rules = self._by_host.get(host) or self._by_host[None]
        if not rules:
            return ""
        if not _NEEDS_WORK(raw_path):
            return _refusal(rules, raw_path.lower())
        readings = _readings(raw_path)
        if readings is None:
            return "This path is encoded too often to tell where it leads."
        return next(filter(None, (_refusal(rules, path) for path in readings)), "")


def _refusal(rules: _Rules, path: str) -> str:
    for needle, matches, instead in rules:
        if needle in path and matches(path):
            if instead:
                return f"This path is closed to partners. {instead}"
            return "This path belongs to the owner of the app and is closed to partners."
    return ""


@lru_cache(maxsize=512)
def closed_paths(closed: tuple[ClosedPath, ...]) -> ClosedPaths:
    """Compiled once for each entry of the catalogue."""
    return ClosedPaths(closed)


def _needle(rule: ClosedPath) -> str:
    """The last text that every path of the rule holds: to look for it first costs a warm call next to nothing."""
    return [text for text in _PLACEHOLDERS.split((rule.pattern or rule.prefix or "").casefold()) if text][-1]


def _compiled(rule: ClosedPath) -> Callable[[str], object]:
    return re.compile(_expression(rule), re.DOTALL).fullmatch


def _expression(rule: ClosedPath) -> str:
    if rule.pattern is None:
        return re.escape((rule.prefix or "/").casefold()) + ".*"
    segments = rule.pattern.casefold().strip("/").split("/")
    is_whole = segments[-1] == _BELOW
    *before, last = segments[:-1] if is_whole else segments
    end = "(?:/.*)?" if is_whole else "/?"
    return "".join(map(_segment, before)) + _segment(last) + _FORMAT + end


def _segment(segment: str) -> str:
    if segment == _BELOW:
        return "(?:/[^/]+)*"
    if segment == _ANY:
        return "/[^/]+"
    return "/" + "[^/]*".join(map(re.escape, segment.split(_ANY)))


def _readings(raw_path: str) -> tuple[str, ...] | None:
    """The path decoded once, twice and so on until nothing changes, each time brought to its plainest form.

    None: it does not come to an end.
    """
    readings: list[str] = []
    path = raw_path
    for _ in range(_MOST_DECODINGS):
        readings.extend(_plain(path))
        decoded = _decoded(path)
        if decoded == path:
            return tuple(readings)
        path = decoded
    return None


def _decoded(path: str) -> str:
    wide = _WIDE(lambda match: chr(int(match[1], 16)), path)
    raw = _OVERLONG(_shortest, unquote_to_bytes(wide.encode("utf-8", "replace")))
    return raw.decode("utf-8", "replace")


def _shortest(match: re.Match[bytes]) -> bytes:
    """The character of an overlong sequence, as a decoder that does not check would read it."""
    first, *rest = match[0]
    number = first & (0x7F >> (len(rest) + 1))
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return chr(number).encode("utf-8", "replace")


def _plain(path: str) -> Iterator[str]:
    """The path as a careless server sees it; twice where a decoded `?` or `#` may end it."""
    folded = unicodedata.normalize("NFKC", path).casefold().replace("\\", "/")
    if folded.isascii():
        folded = _SKIPPED_ASCII("", folded)
    else:
        folded = "".join(letter for letter in folded if unicodedata.category(letter) not in _SKIPPED)
    yield _resolved(folded)
    if end := _ENDS(folded):
        yield _resolved(folded[: end.start()])


def _resolved(path: str) -> str:
    segments: list[str] = []
    for segment in _SLASHES.sub("/", _PARAMETERS.sub("", path)).split("/"):
        if segment == "..":
            del segments[max(1, len(segments) - 1) :]
        elif segment != ".":
            segments.append(segment.rstrip("."))  # as file systems do that end no name with a dot
    return _SLASHES.sub("/", "/".join(segments))
