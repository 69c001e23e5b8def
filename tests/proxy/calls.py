"""Small words that the served tests share."""

from __future__ import annotations

import json
import time
from typing import Any

from django.db import connection as database

from proxy.cache import TTL_SECONDS
from tests.factories import World

STACKGO_PATHS = (
    "/api/raw/hbdev",
    "/api/raw/xe/hbdev",
    "/api/atlassian/proxy/hbdev",
    "/api/quick-books/proxy/hbdev",
    "/api/servicenow/proxy/hbdev",
    "/api/shopify/hbdev",
)


def bearer(at: World) -> dict[str, str]:
    return {"Authorization": f"Bearer {at.api_key}"}


def head_of(request: bytes) -> list[bytes]:
    """The lines of a request's header section."""
    return request.partition(b"\r\n\r\n")[0].split(b"\r\n")


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def reply(status: str = "200 OK", *fields: bytes, body: bytes = b"") -> bytes:
    """A reply with a Content-Length."""
    lines = [b"HTTP/1.1 " + status.encode(), *fields, b"Content-Length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


def problem(body: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(body)
    return parsed


def wait_until_seen() -> None:
    """A change in the database is seen by the next call on SQLite, elsewhere after the cache's two seconds."""
    if database.vendor != "sqlite":
        time.sleep(TTL_SECONDS + 0.1)
