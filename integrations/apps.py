"""What can be connected: catalogue, OAuth, integrations, connect flow, connections, tokens."""

from django.apps import AppConfig
from django.conf import settings


class IntegrationsConfig(AppConfig):
    name = "integrations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from integrations import catalogue, checks  # noqa: F401 (registering)
        from integrations.api import problems  # noqa: F401 (registering)

        catalogue.use_folder(settings.CATALOGUE_FOLDER)
