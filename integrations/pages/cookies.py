"""One random cookie per browser; attempts are bound to its hash (design rule 9). It tells nothing of the customer."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from integrations import connect
from integrations.connect.browser import COOKIE_SECONDS


def read(request: HttpRequest) -> str | None:
    """The secret that this browser holds, or None when there is none or it is not of our shape."""
    value = request.COOKIES.get(connect.browser_cookie())
    return value if connect.is_browser_secret(value) else None


def write(response: HttpResponse, secret: str) -> None:
    """Set or prolong the cookie. One for all attempts of a browser, so that cookies do not pile up (CON-17)."""
    response.set_cookie(
        connect.browser_cookie(),
        secret,
        max_age=COOKIE_SECONDS,
        path="/",
        secure=settings.PUBLIC_IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )
