"""Where a socket is opened for an origin: the origin itself, or in development another one.

The map changes the address alone. The Host field, the name in TLS, allow-lists, oauthlib and paging links
all keep the provider's real URL.
"""

from dataclasses import dataclass
from functools import lru_cache

from egress import conf
from egress.errors import InvalidUrl
from egress.urls import DEFAULT_PORTS, Target, parse_url

_SCHEMES = tuple(DEFAULT_PORTS)


@dataclass(frozen=True, slots=True)
class Dial:
    """How to open a connection: `scheme`, `host` and `port` of the socket, `host_header` of the request."""

    scheme: str
    host: str
    port: int
    host_header: str
    may_be_loopback: bool


def resolve(target: Target) -> Dial:
    """Say where the socket for a target opens. Only a mapped origin may be on a loopback address."""
    mapping = conf.upstream_map()
    if mapping:
        mapped = _parsed(tuple(mapping.items())).get(target.origin)
        if mapped is not None:
            return Dial(mapped.scheme, mapped.host, mapped.port, target.authority, True)
    return Dial(target.scheme, target.host, target.port, target.authority, False)


def public_location(url: str) -> str:
    """Rewrite the origin of an authorize URL for the browser; path and query stay as they are.

    Raises InvalidUrl for a URL that is not https and not mapped.
    """
    target = parse_url(url, schemes=_SCHEMES)
    mapped = _parsed(tuple(conf.upstream_map().items())).get(target.origin)
    if mapped is not None:
        return mapped.origin + target.raw_target
    return parse_url(url).url


@lru_cache(maxsize=8)
def _parsed(pairs: tuple[tuple[str, str], ...]) -> dict[str, Target]:
    return {_origin(real).origin: _origin(mapped) for real, mapped in pairs}


def _origin(text: str) -> Target:
    target = parse_url(text, schemes=_SCHEMES)
    if target.raw_target != "/":
        raise InvalidUrl("UPSTREAM_MAP maps origins: scheme, host and port without a path.")
    return target
