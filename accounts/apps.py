"""Who calls us and for whom: partners, credentials, customers, staff, audit, partner events."""

from django.apps import AppConfig, apps

#: what the staff pages call the groups that other packages add
_GROUP_NAMES = {
    "auth": "Staff",
    "axes": "Sign-in protection",
    "django_celery_beat": "Scheduled jobs",
}


class AccountsConfig(AppConfig):
    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import checks, health_checks  # noqa: F401 (registering)

        for label, name in _GROUP_NAMES.items():
            apps.get_app_config(label).verbose_name = name
