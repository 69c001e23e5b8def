"""The one URL parser: strict, lossless for path and query, and unable to be read in two ways.

A URL that this module accepts is taken apart the same way by every parser that follows it: what browsers,
yarl, urllib3 and Python disagree about (backslashes, userinfo, odd spellings of IPv4, dots at the end) is
refused, not repaired. Path and query keep every byte (RFC 3986 section 6 normalisation is never applied).
"""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, field

import idna

from egress.errors import InvalidUrl

MAX_URL_CHARACTERS = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}

_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)([^?]*)(?:\?(.*))?", re.DOTALL).fullmatch
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?").fullmatch
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*").fullmatch
_PORT = re.compile(r"[1-9][0-9]{0,4}").fullmatch
_PATH = re.compile(r"/[\x21-\x22\x24-\x3e\x40-\x5b\x5d-\x7e]*").fullmatch
# After the question mark a backslash has no structure in any parser, and browsers send it unencoded.
_QUERY = re.compile(r"[\x21-\x22\x24-\x7e]*").fullmatch
_SEPARATORS = re.compile(r"/|\\|%2f|%5c", re.IGNORECASE).split
_ENCODED_DOT = re.compile(r"%2e", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x20\x7f]").search


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed target URI. `host` is a lower-case A-label name or a canonical IP address without brackets."""

    scheme: str
    host: str
    port: int
    raw_path: str
    raw_query: str | None = None
    authority: str = field(init=False, compare=False)
    """Host and port as in the Host field: brackets round IPv6, the scheme's own port left out."""

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = DEFAULT_PORTS.get(self.scheme) == self.port
        object.__setattr__(self, "authority", host if default else f"{host}:{self.port}")

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def raw_target(self) -> str:
        """The request target in origin form (RFC 9112 section 3.2.1)."""
        return self.raw_path if self.raw_query is None else f"{self.raw_path}?{self.raw_query}"

    @property
    def url(self) -> str:
        return self.origin + self.raw_target


def parse_url(text: str, *, schemes: Collection[str] = ("https",)) -> Target:
    """Take an absolute http or https URL apart.

    The host may be written with upper case, one dot at the end or in Unicode; it comes back normalised.
    Path and query come back as written, an empty path as "/". Does not look for dot segments
    (`check_raw_path`) and does not say whether the host is allowed. Raises InvalidUrl.
    """
    if len(text) > MAX_URL_CHARACTERS:
        raise InvalidUrl(f"The URL is longer than {MAX_URL_CHARACTERS} characters.")
    parts = _PARTS(text)
    if parts is None:
        raise InvalidUrl("The URL is not absolute.")
    scheme = parts[1].lower()
    if scheme not in schemes or scheme not in DEFAULT_PORTS:
        raise InvalidUrl(f"The URL's scheme must be {' or '.join(sorted(schemes))}.")
    host, port = _parse_authority(parts[2])
    raw_path, raw_query = parts[3] or "/", parts[4]
    _check_characters(raw_path, raw_query)
    return Target(scheme, host, port or DEFAULT_PORTS[scheme], raw_path, raw_query)


def join_base(base: Target, raw_path_and_query: str) -> Target:
    """Put a caller's raw path, and query if it has one, under a base URL.

    Plain concatenation, parsed again and compared with the base: no relative reference is ever resolved, so
    an absolute URL in the text lands in the base's path. An empty path gives the base's own path. Dot
    segments are refused. Raises InvalidUrl.
    """
    if base.raw_query is not None:
        raise InvalidUrl("A base URL has no query.")
    raw_path, mark, raw_query = raw_path_and_query.partition("?")
    path = f"{base.raw_path.removesuffix('/')}/{raw_path.removeprefix('/')}" if raw_path else base.raw_path
    target = parse_url(f"{base.origin}{path}{mark}{raw_query}", schemes=(base.scheme,))
    if target.origin != base.origin or not target.raw_path.startswith(base.raw_path.removesuffix("/")):
        raise InvalidUrl("The URL leaves its base.")
    check_raw_path(target.raw_path)
    return target


def check_raw_path(raw_path: str) -> None:
    """Refuse a path that a server could read as another one.

    That is a segment "." or "..", plain or percent-encoded, also between encoded slashes or backslashes, and
    a control byte. One decoding is looked through, so "%252e" stays what it is. A
    path parameter (RFC 3986 section 3.3) is cut off first, for servers that strip it. Raises InvalidUrl.
    """
    if _CONTROL(raw_path):
        raise InvalidUrl("The path contains a control character or white space.")
    if "." not in raw_path and "%2" not in raw_path:
        return
    for segment in _SEPARATORS(raw_path):
        if _ENCODED_DOT.sub(".", segment).partition(";")[0] in (".", ".."):
            raise InvalidUrl("The path contains a dot segment.")


def _check_characters(raw_path: str, raw_query: str | None) -> None:
    if not _PATH(raw_path):
        raise InvalidUrl("The path contains a character that must be percent-encoded, or a fragment.")
    if raw_query is not None and not _QUERY(raw_query):
        raise InvalidUrl("The query contains a character that must be percent-encoded, or a fragment.")


def _parse_authority(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise InvalidUrl("The URL carries user information.")
    if authority.startswith("["):
        literal, closed, rest = authority[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise InvalidUrl("The IPv6 address is not written in brackets.")
        return _parse_ipv6(literal), _parse_port(rest[1:]) if rest else None
    host, colon, port = authority.partition(":")
    return parse_host(host), _parse_port(port) if colon else None


def _parse_port(text: str) -> int:
    if not _PORT(text) or int(text) > 65535:
        raise InvalidUrl("The port is not a number from 1 to 65535.")
    return int(text)


def _parse_ipv6(literal: str) -> str:
    # A zone ("fe80::1%eth0") is refused here: it names an interface of this machine.
    try:
        if "%" in literal:
            raise ValueError
        return ipaddress.IPv6Address(literal).compressed
    except ValueError:
        raise InvalidUrl("The host is not an IPv6 address.") from None


def parse_host(text: str) -> str:
    """Normalise a host name or an IPv4 address (no brackets, no port). Raises InvalidUrl."""
    host = _to_ascii(text.removesuffix("."))
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL(label) for label in labels):
        raise InvalidUrl("The host is not a domain name.")
    if _NUMBER(labels[-1]):
        # Whatever ends in a number is an IPv4 address to browsers and to inet_aton: one spelling only.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise InvalidUrl("The IPv4 address is not written as four decimal numbers.") from None
    return host


def _to_ascii(host: str) -> str:
    """IDNA 2008 without the mapping of UTS 46, which would turn full-width digits into an address."""
    if host.isascii() and "xn--" not in host.lower():
        return host.lower()
    if any(letter > "\x7f" and min(letter.lower()) <= "\x7f" for letter in host):
        # U+212A, the Kelvin sign, would become a k, and so an ASCII name of what is none.
        raise InvalidUrl("The host is not an internationalised domain name.")
    try:
        ascii_host = idna.encode(host.lower(), strict=True).decode("ascii")
        idna.decode(ascii_host, strict=True)
    except UnicodeError:  # idna.IDNAError is one
        raise InvalidUrl("The host is not an internationalised domain name.") from None
    return ascii_host
