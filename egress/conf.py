"""The one place of this package that reads Django's settings."""

from collections.abc import Mapping

from django.conf import settings


def upstream_map() -> Mapping[str, str]:
    """Origin to origin, for development; empty in production, where the settings refuse it."""
    mapping: Mapping[str, str] = settings.UPSTREAM_MAP
    return mapping
