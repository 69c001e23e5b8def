"""The cookie that binds attempts to a browser: one random value a browser, however many tabs (CON-16, CON-17)."""

from __future__ import annotations

import re
import secrets

from django.conf import settings

COOKIE_SECONDS = 3_600
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def browser_cookie() -> str:
    """The cookie's name; `__Host-` where the site is https, so that no sibling host can plant one."""
    return "__Host-patchbay-browser" if settings.PUBLIC_IS_HTTPS else "patchbay-browser"


def new_browser_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def is_browser_secret(value: str | None) -> bool:
    """Whether a cookie's value has the shape of ours; anything else is replaced."""
    return value is not None and _SECRET.fullmatch(value) is not None
