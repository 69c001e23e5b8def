"""Django checks of accounts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks

from accounts.request_context import _networks


@checks.register
def trusted_proxies(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """TRUSTED_PROXIES must be addresses or networks."""
    try:
        _networks(tuple(settings.TRUSTED_PROXIES))
    except ValueError as error:
        return [
            checks.Error(
                f"TRUSTED_PROXIES: {error}",
                hint="Give addresses or networks, such as 10.0.0.0/8, separated by commas.",
                id="accounts.E001",
            )
        ]
    return []
