"""The one place of this package that reads Django's settings, and a quick way to those that each call reads."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

_known: dict[str, Any] = {}


def setting(name: str) -> Any:
    """A setting's value. Django's own object takes ten times as long; tests that change one are heeded."""
    try:
        return _known[name]
    except KeyError:
        value = _known[name] = getattr(settings, name)
        return value


def upstream_map() -> Mapping[str, str]:
    """Origin to origin, for development; empty in production, where the settings refuse it."""
    mapping: Mapping[str, str] = setting("UPSTREAM_MAP")
    return mapping


def _forget(**told: Any) -> None:
    _known.clear()


setting_changed.connect(_forget)
