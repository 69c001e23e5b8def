import io

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection

from sealing import Secret, health
from sealing.keyring import fingerprint
from sealing.models import KeyCheck
from tests.sealing.models import Account

pytestmark = pytest.mark.django_db


def canary():
    return KeyCheck.objects.values_list("canary", flat=True).get()


def e003():
    return [error for error in checks.run_checks(databases=["default"]) if error.id == "sealing.E003"]


def test_adm_05_the_right_key_is_ready_and_migrate_made_the_canary():
    assert KeyCheck.objects.count() == 1
    assert health.keys_are_well() == (True, "")
    assert health.key_trouble_at_start() == ""
    assert e003() == []


@pytest.mark.parametrize("keys", [[], ["nonsense"], None])
def test_adm_05_no_key_or_no_valid_one_is_not_ready_and_named(settings, keys):
    settings.FERNET_KEYS = keys
    is_well, message = health.keys_are_well()
    assert not is_well and "FERNET_KEYS" in message and "nonsense" not in message
    with pytest.raises(ImproperlyConfigured, match="FERNET_KEYS"):
        health.key_trouble_at_start()
    assert "sealing.E002" in [error.id for error in checks.run_checks()]


def test_adm_05_a_wrong_key_is_not_ready_and_changes_no_row(settings, new_key):
    row = Account.objects.create(token=Secret("tok"))
    before = canary()
    settings.FERNET_KEYS = [new_key()]
    is_well, message = health.keys_are_well()
    assert not is_well and "FERNET_KEYS" in message
    assert health.key_trouble_at_start() == message
    health.ensure_canary("default")
    assert canary() == before
    assert Account.objects.get().token == row.token
    assert "sealing.E002" not in [error.id for error in checks.run_checks()]


def test_adm_05_migrate_stops_with_a_wrong_key(settings, new_key):
    settings.FERNET_KEYS = [new_key()]
    assert [error.msg for error in e003()] == [health.keys_are_well()[1]]
    with pytest.raises(SystemCheckError, match="FERNET_KEYS"):
        call_command("migrate", skip_checks=False, stdout=io.StringIO())


def test_an_old_key_that_stands_last_is_enough(settings, new_key):
    settings.FERNET_KEYS = [new_key(), *settings.FERNET_KEYS]
    assert health.keys_are_well() == (True, "")


def test_a_canary_that_was_tampered_with_is_not_well():
    KeyCheck.objects.all().delete()
    KeyCheck.objects.create(canary=Secret("another text"))
    assert not health.keys_are_well()[0]


def test_a_missing_canary_is_made_in_a_database_without_secrets():
    KeyCheck.objects.all().delete()
    assert health.keys_are_well() == (True, "")
    assert KeyCheck.objects.count() == 0  # asking never writes
    call_command("migrate", stdout=io.StringIO())
    assert KeyCheck.objects.get().canary.open() == Secret(health.CANARY_TEXT)


def test_a_missing_canary_is_made_when_stored_values_open():
    Account.objects.create(token=Secret("tok"))
    KeyCheck.objects.all().delete()
    assert health.keys_are_well() == (True, "")
    health.ensure_canary("default")
    assert health.keys_are_well() == (True, "") and KeyCheck.objects.count() == 1


def test_adm_05_a_missing_canary_is_not_made_over_values_that_do_not_open(settings, new_key):
    Account.objects.create(token=Secret("tok"))
    KeyCheck.objects.all().delete()
    settings.FERNET_KEYS = [new_key()]
    is_well, message = health.keys_are_well()
    assert not is_well and "FERNET_KEYS" in message
    health.ensure_canary("default")
    assert KeyCheck.objects.count() == 0


def test_a_second_migrate_keeps_the_canary():
    before = canary()
    call_command("migrate", stdout=io.StringIO())
    assert canary() == before


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_not_migrated_says_so():
    with connection.schema_editor() as editor:
        editor.delete_model(KeyCheck)
    try:
        assert not health.is_installed("default")
        assert e003() == []
        is_well, message = health.keys_are_well()
        assert not is_well and "migrate" in message
        with pytest.raises(ImproperlyConfigured, match="migrate"):
            health.key_trouble_at_start()
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(KeyCheck)
        health.ensure_canary("default")


@pytest.mark.django_db(transaction=True)
def test_a_database_of_an_earlier_version_can_be_migrated():
    """The check that stops `migrate` when the keys are wrong runs before the columns of this version are there."""
    column = KeyCheck._meta.get_field("key_fingerprint")
    with connection.schema_editor() as editor:
        editor.remove_field(KeyCheck, column)
    try:
        assert health.keys_are_well() == (True, "")
        assert e003() == []
        assert health.key_of_database() == ""
    finally:
        with connection.schema_editor() as editor:
            editor.add_field(KeyCheck, column)
        health.note_key("default")


def test_a_lost_key_is_named_by_its_fingerprint(settings, new_key):
    lost, other = settings.FERNET_KEYS[0], new_key()
    health.note_key("default")
    settings.FERNET_KEYS = [other]
    message = health.keys_are_well()[1]
    assert fingerprint(lost) in message and fingerprint(other) in message
    assert lost not in message and other not in message


def test_a_key_that_is_given_up_for_lost_is_replaced_in_the_canary_alone(settings, new_key):
    row = Account.objects.create(token=Secret("tok"))
    settings.FERNET_KEYS = [new_key()]
    health.renew_canary()
    assert health.keys_are_well() == (True, "")
    assert health.key_of_database() == fingerprint(settings.FERNET_KEYS[0])
    assert Account.objects.get().token == row.token and not row.token.is_readable()
