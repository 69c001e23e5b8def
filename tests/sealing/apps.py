"""An app of tables that only these tests have."""

from django.apps import AppConfig


class SealingTestsConfig(AppConfig):
    name = "tests.sealing"
    label = "sealing_tests"
    default_auto_field = "django.db.models.BigAutoField"
