"""Where a customer may be sent after connecting: only under origins that staff allowed for the partner."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

MAX_URL_CHARACTERS = 2_048
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ReturnUrlRefused(ValueError):
    """A returnUrl that is no URL or lies under no allowed origin; the message is for the caller."""


def origin_of(url: str) -> str:
    """The origin of an absolute http(s) URL, `scheme://host[:port]` in lower case. Raises ReturnUrlRefused."""
    has_odd_characters = any(ord(character) <= 32 or ord(character) == 127 for character in url)
    if has_odd_characters or "\\" in url or len(url) > MAX_URL_CHARACTERS:
        raise ReturnUrlRefused("The URL has characters that a URL cannot hold, or more than 2,048 of them.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ReturnUrlRefused("The URL cannot be read.") from error
    host = (parts.hostname or "").lower()
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc:
        raise ReturnUrlRefused("An absolute https URL without user name is needed.")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ReturnUrlRefused("Only https is allowed, or http on localhost.")
    shown_host = f"[{host}]" if ":" in host else host
    is_default = port in {None, 443 if parts.scheme == "https" else 80}
    return f"{parts.scheme}://{shown_host}" + ("" if is_default else f":{port}")


def check_return_url(url: str, allowed_origins: list[str]) -> str:
    """Return url unchanged when its origin is one of allowed_origins, else raise ReturnUrlRefused."""
    origin = origin_of(url)
    if origin not in {origin_of(allowed) for allowed in allowed_origins}:
        raise ReturnUrlRefused(f"{origin} is not among the origins that are allowed for this partner.")
    return url


def validate_origins(value: object) -> None:
    """A model validator: a list of origins, each without a path."""
    if not isinstance(value, list):
        raise ValidationError("A list of origins is needed.")
    for origin in value:
        try:
            is_right = isinstance(origin, str) and origin_of(origin) == origin
        except ReturnUrlRefused as error:
            raise ValidationError(f"{origin}: {error}") from error
        if not is_right:
            raise ValidationError(f"{origin!r} is not an origin: scheme and host in lower case, no path.")
