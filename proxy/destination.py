"""Where a call may go: proved before a credential is attached, with the one parser of egress."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from accounts.api.problems import Problem, invalid
from egress.errors import InvalidUrl
from egress.hosts import HostRules
from egress.urls import Target, check_raw_path, join_base, parse_host, parse_url
from integrations.catalogue import ClosedPath

MAX_TARGET_CHARACTERS = 65_536
_UNSENDABLE = re.compile(r"[^\x21-\x7e]|[#?\\]").search
_UNSENDABLE_QUERY = re.compile(r"[^\x21-\x7e]|#").search
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match
_SLASHES = re.compile(r"/{2,}")
_PARAMETERS = re.compile(r";[^/]*")
_NEEDS_WORK = re.compile(r"%|//|;|\\|[^\x00-\x7f]|/\.|\./").search
#: more than any row of servers does; whoever encodes more often hides something
_MOST_DECODINGS = 8
#: two to four bytes for what UTF-8 writes in one or two (RFC 3629 section 10), and the old `%u002f`
_OVERLONG = re.compile(rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}").sub
_WIDE = re.compile(r"%u([0-9a-f]{4})", re.IGNORECASE).sub
#: what some servers skip: control and format characters, and white space
_SKIPPED = frozenset({"Cc", "Cf", "Zs"})
_SKIPPED_ASCII = re.compile(r"[\x00-\x20\x7f]+").sub


@dataclass(frozen=True, slots=True)
class Destination:
    """The places that one connection's calls may go to. `base` lies on an allowed host itself."""

    base: Target
    rules: HostRules
    closed: tuple[ClosedPath, ...] = ()

    @classmethod
    def of(cls, base_url: str, hosts: Iterable[str], closed: tuple[ClosedPath, ...] = ()) -> Destination:
        """Raises InvalidUrl when the base is not on one of the hosts: a catalogue error."""
        base, rules = parse_url(base_url), HostRules.of(hosts)
        if not rules.allows(base):
            raise InvalidUrl("The base URL is not on an allowed host.")
        return cls(base, rules, closed)

    def under_base(self, raw_path: str, raw_query: str | None, *, host: str | None = None) -> Target:
        """The target of a passthrough call: base and raw path put one after the other, byte for byte.

        host: another allowed host, on which the raw path counts from the root. Raises Problem.
        """
        base = self.base if host is None else self._other_host(host)
        path = base.raw_path.removesuffix("/") + raw_path if raw_path else base.raw_path
        if _UNSENDABLE(path) or (raw_query and _UNSENDABLE_QUERY(raw_query)):
            raise invalid("path", "Path or query hold a character that must be percent-encoded.")
        if len(path) + len(raw_query or "") > MAX_TARGET_CHARACTERS:
            raise invalid("path", f"Path and query are longer than {MAX_TARGET_CHARACTERS} characters.")
        try:
            check_raw_path(path)
        except InvalidUrl as error:
            raise invalid("path", error.reason) from error
        target = Target(base.scheme, base.host, base.port, path, raw_query)
        self._require_open(target, field="path")
        return target

    def of_url(self, url: str) -> Target:
        """The target of an envelope's `url`: absolute, or a path under the base. Raises Problem."""
        if url.startswith("//"):
            raise invalid("url", "Give an absolute URL or a path; '//' begins neither.")
        try:
            if _ABSOLUTE(url):
                target = parse_url(url)
                check_raw_path(target.raw_path)
            else:
                target = join_base(self.base, url)
        except InvalidUrl as error:
            raise invalid("url", error.reason) from error
        if not self.rules.allows(target):
            raise _not_allowed("url", "The provider's catalogue entry does not allow this host.")
        self._require_open(target, field="url")
        return target

    def _other_host(self, text: str) -> Target:
        try:
            host = parse_host(text)
        except InvalidUrl:
            host = ""
        if host not in self.rules.hosts:
            raise _not_allowed("Patchbay-Host", "The provider's catalogue entry does not allow this host.")
        return self.base if host == self.base.host else Target("https", host, self.rules.port, "/")

    def _require_open(self, target: Target, *, field: str) -> None:
        if self.closed and is_closed(target.host, target.raw_path, self.closed):
            raise _not_allowed(field, "This path belongs to the owner of the app and is closed to partners.")


def is_closed(host: str, raw_path: str, closed: tuple[ClosedPath, ...]) -> bool:
    """Whether a path, read in any way in which a server may read it, lies under a closed prefix."""
    readings = _readings(raw_path) if _NEEDS_WORK(raw_path) else (raw_path.lower(),)
    if readings is None:
        return True
    for rule in closed:
        if rule.host is None or rule.host == host:
            prefix = rule.prefix.lower()
            for path in readings:
                if path.startswith(prefix):
                    return True
    return False


def _readings(raw_path: str) -> tuple[str, ...] | None:
    """The path decoded once, twice and so on until nothing changes, each time brought to its plainest form.

    None: it does not come to an end.
    """
    readings = []
    path = raw_path
    for _ in range(_MOST_DECODINGS):
        readings.append(_plain(path))
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


def _plain(path: str) -> str:
    folded = unicodedata.normalize("NFKC", path).casefold().replace("\\", "/")
    if folded.isascii():
        folded = _SKIPPED_ASCII("", folded)
    else:
        folded = "".join(letter for letter in folded if unicodedata.category(letter) not in _SKIPPED)
    segments: list[str] = []
    for segment in _SLASHES.sub("/", _PARAMETERS.sub("", folded)).split("/"):
        if segment == "..":
            del segments[max(1, len(segments) - 1) :]
        elif segment != ".":
            segments.append(segment.rstrip("."))  # as file systems do that end no name with a dot
    return "/".join(segments)


def _not_allowed(field: str, detail: str) -> Problem:
    return Problem("destination_not_allowed", detail, {"field": field})
