"""The app that owns the sealed field and its key check."""

from django.apps import AppConfig


class SealingConfig(AppConfig):
    name = "sealing"
    default_auto_field = "django.db.models.BigAutoField"
