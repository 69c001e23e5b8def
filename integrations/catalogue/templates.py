"""Filling an entry's templates with a connection's values, so that no value can lead a request elsewhere.

RFC 3986 section 3.2 decides where an authority ends; a value that a customer typed must not decide it. A
value in the host is one DNS label, or a whole host that ends with an allowed suffix; in path and query it is
percent-encoded; the finished URL is parsed again and its host compared with the one that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from .errors import InvalidConnectionField, MissingValue

PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_URL = re.compile(r"(https?)://([^/?#]*)(.*)", re.DOTALL)

NO_HOSTS: Mapping[str, tuple[str, ...]] = {}


def placeholders(template: str) -> frozenset[str]:
    """The names that a template asks for."""
    return frozenset(PLACEHOLDER.findall(template))


def render(
    template: str, values: Mapping[str, str], *, whole_hosts: Mapping[str, tuple[str, ...]] = NO_HOSTS
) -> str:
    """Fill the `{name}` placeholders of a template.

    A template that begins with https:// is a URL and filled by the rules of this module; `whole_hosts` then
    names the placeholders that may be a whole host, each with its allowed suffixes. Any other template is
    filled as it is. Raises MissingValue (an empty value counts as missing) and InvalidConnectionField.
    """
    url = _URL.match(template)
    if url is None:
        return _fill(template, values, lambda _name, value: value)
    scheme, authority, rest = url.groups()
    host = render_host(authority, values, whole_hosts=whole_hosts)
    filled = f"{scheme}://{host}" + _fill(rest, values, _percent_encoded)
    if urlsplit(filled).netloc != host:
        raise InvalidConnectionField(_names(authority), "would change the host of the address")
    return filled


def render_host(
    template: str, values: Mapping[str, str], *, whole_hosts: Mapping[str, tuple[str, ...]] = NO_HOSTS
) -> str:
    """Fill a host template. Lower case; each value is one DNS label or, if named in whole_hosts, a host."""

    def checked(name: str, value: str) -> str:
        if name in whole_hosts:
            return check_host(name, value, whole_hosts[name])
        return check_label(name, value)

    host = _fill(template, values, checked)
    if not _is_host(host):
        raise InvalidConnectionField(_names(template), "does not make a host name")
    return host


def check_label(name: str, value: str) -> str:
    """A value as one DNS label in lower case: host names compare without regard to case (RFC 4343).

    Refused: dots, quotes, percent signs, anything that is not ASCII, and `xn--` labels, with which a name
    could be made to look like another (RFC 5890 section 2.3.2.1).
    """
    label = value.lower() if value.isascii() else ""
    if not _LABEL.fullmatch(label) or label.startswith("xn--"):
        raise InvalidConnectionField(name, "must be letters, digits and hyphens only, without dots")
    return label


def check_host(name: str, value: str, suffixes: tuple[str, ...]) -> str:
    """A value as a whole host name in lower case that ends with one of the suffixes.

    A suffix that begins with a dot needs at least one label before it; another is the whole host itself.
    """
    host = value.lower() if value.isascii() else ""
    is_allowed = any(host.endswith(s) and host != s if s.startswith(".") else host == s for s in suffixes)
    if not _is_host(host) or not is_allowed:
        raise InvalidConnectionField(name, "is not a host of this provider")
    return host


def _is_host(host: str) -> bool:
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.split("."))


def _fill(template: str, values: Mapping[str, str], transform: Callable[[str, str], str]) -> str:
    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        value = values.get(name, "")
        if not value:
            raise MissingValue(name)
        return transform(name, value)

    return PLACEHOLDER.sub(replacement, template)


def _percent_encoded(name: str, value: str) -> str:
    if value in (".", ".."):
        raise InvalidConnectionField(name, "must not be a dot segment")
    return quote(value, safe="")


def _names(template: str) -> str:
    return ", ".join(sorted(placeholders(template))) or template
