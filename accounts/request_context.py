"""What is known of the request in hand: its id and the caller's address."""

from __future__ import annotations

import ipaddress
import os
import secrets
import time
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest

REQUEST_ID_HEADER = "X-Request-Id"


@dataclass(frozen=True, slots=True)
class RequestContext:
    request_id: str = ""
    address: str | None = None


_current: ContextVar[RequestContext] = ContextVar("request_context", default=RequestContext())  # noqa: B039 (frozen)


def current() -> RequestContext:
    return _current.get()


def new_request_id() -> str:
    """32 hexadecimal digits: 48 bits of the time in milliseconds, then 80 random bits.

    Ours alone, so that a caller cannot forge the trail of another request. The time in front keeps the index of
    a log of requests in order: with random ids each entry changes a page of it, and a page costs twenty
    microseconds to write, and to write back.
    """
    try:
        random = _drawn.pop()
    except IndexError:
        digits = secrets.token_hex(10 * _DRAWN_AT_ONCE)
        _drawn.extend(digits[first : first + 20] for first in range(20, len(digits), 20))
        random = digits[:20]
    return f"{int(time.time() * 1000):012x}{random}"


#: asking the kernel for each id costs four microseconds; a process that is forked draws its own
_DRAWN_AT_ONCE = 64
_drawn: deque[str] = deque()
os.register_at_fork(after_in_child=_drawn.clear)


def enter(request_id: str, address: str | None) -> Any:
    """Make this the current request; give the result to leave()."""
    return _current.set(RequestContext(request_id, address))


def leave(token: Any) -> None:
    _current.reset(token)


@lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(ipaddress.ip_network(entry, strict=False) for entry in trusted)


def address_from(remote: str, forwarded_for: str, trusted: tuple[str, ...]) -> str | None:
    """The caller's address: the last hop of X-Forwarded-For that is no trusted proxy, else the peer itself.

    X-Forwarded-For is read only when the peer is one of TRUSTED_PROXIES, and from the right: what stands
    further left was written by whoever sent it.
    """
    networks = _networks(trusted)
    hops = [remote, *reversed([part.strip() for part in forwarded_for.split(",") if part.strip()])]
    address: str | None = None
    for hop in hops:
        try:
            parsed = ipaddress.ip_address(hop)
        except ValueError:
            break
        address = str(parsed).partition("%")[0]  # a zone names an interface, and PostgreSQL's inet has none
        if not any(parsed in network for network in networks):
            break
    return address


def client_address(request: HttpRequest) -> str | None:
    """The caller's address of a Django request, as text, or None when it has none."""
    return address_from(
        request.META.get("REMOTE_ADDR", ""),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        tuple(settings.TRUSTED_PROXIES),
    )
