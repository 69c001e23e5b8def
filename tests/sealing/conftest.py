import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test import modify_settings

TABLES = ("Account", "Invoice", "SpecialAccount", "Inheritor")


@pytest.fixture(scope="package", autouse=True)
def _tables(django_db_setup, django_db_blocker):
    """Install the test app and make its tables, for this package alone."""
    with modify_settings(INSTALLED_APPS={"append": "tests.sealing.apps.SealingTestsConfig"}):
        from tests.sealing import models

        classes = [getattr(models, name) for name in TABLES]
        with django_db_blocker.unblock():
            with connection.schema_editor() as editor:
                for model in classes:
                    editor.create_model(model)
            yield
            with connection.schema_editor() as editor:
                for model in reversed(classes):
                    editor.delete_model(model)


@pytest.fixture
def new_key():
    return lambda: Fernet.generate_key().decode()


@pytest.fixture
def write_raw():
    """Put anything into a sealed column, past the field."""

    def write(row, column, raw):
        table = row._meta.get_field(column).model._meta.db_table
        pk = row._meta.pk.get_db_prep_value(row.pk, connection)
        with connection.cursor() as cursor:
            cursor.execute(f'UPDATE "{table}" SET "{column}" = %s WHERE id = %s', [raw, pk])

    return write
