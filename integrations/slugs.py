"""`appSlug`: the global, immutable name of an integration (contract, head)."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError

PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
#: words that stand, or may come to stand, where a slug does in a path
RESERVED = frozenset(
    [
        "admin",
        "api",
        "auth",
        "callback",
        "connect",
        "default",
        "docs",
        "envelope",
        "events",
        "flows",
        "healthz",
        "manage",
        "me",
        "new",
        "null",
        "oauth",
        "patchbay",
        "proxy",
        "raw",
        "readyz",
        "schema",
        "static",
        "status",
        "token",
        "undefined",
        "webhooks",
        "xe",
    ]
)


def validate_slug(value: str) -> None:
    """A model validator."""
    if not PATTERN.fullmatch(value):
        raise ValidationError(
            "A short name has 2 to 63 lower-case letters, digits and hyphens and begins with a letter or digit, "
            "such as hbdev."
        )
    if value in RESERVED:
        raise ValidationError(f"{value!r} is reserved; choose another short name.")
