"""Who calls us and for whom: partners, credentials, customers, staff, audit, partner events."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import checks, health_checks  # noqa: F401 (registering)
