"""What can be connected: catalogue, OAuth, integrations, connect flow, connections, tokens."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from integrations import checks  # noqa: F401 (registering)
        from integrations.api import problems  # noqa: F401 (registering)
