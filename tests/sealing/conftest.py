import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test import modify_settings

from sealing import Secret
from sealing.models import KeyCheck

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


@pytest.fixture
def keys(settings, new_key):
    """(old, new), with the database's canary and everything else under the old one."""
    old, new = new_key(), new_key()
    settings.FERNET_KEYS = [old]
    KeyCheck.objects.all().delete()
    KeyCheck.objects.create(canary=Secret("x"))
    return old, new


@pytest.fixture
def rows(keys):
    from tests.sealing.models import Account

    return Account.objects.bulk_create([Account(name=str(n), token=Secret(f"token-{n}")) for n in range(7)])
