"""The proxy: two doors, one forwarder."""

from django.apps import AppConfig


class ProxyConfig(AppConfig):
    name = "proxy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from proxy import activity, problems, tasks  # noqa: F401 (registering)
        from proxy.traffic import purging  # noqa: F401 (registering)
