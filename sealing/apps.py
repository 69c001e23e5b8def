"""The app that owns the sealed field and its key check."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import router
from django.db.models.signals import post_migrate


def make_canary(sender: AppConfig, using: str, **_: Any) -> None:
    """After `migrate`: a database that has no canary gets one."""
    from sealing import health
    from sealing.models import KeyCheck

    if router.allow_migrate_model(using, KeyCheck) and health.is_installed(using):
        health.ensure_canary(using)


class SealingConfig(AppConfig):
    name = "sealing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sealing import checks  # noqa: F401 (registering)

        post_migrate.connect(make_canary, sender=self)
