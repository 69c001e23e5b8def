"""Between two transactional tests the database is as `migrate` left it, although not all of it is made anew."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import TransactionTestCase

from accounts.models import Partner
from sealing.models import KeyCheck
from tests import database, factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.db]


def end_a_test() -> None:
    TransactionTestCase("__init__")._fixture_teardown()  # type: ignore[attr-defined]


def test_rows_go_and_what_migrate_makes_stays() -> None:
    factories.connection(factories.world())
    KeyCheck.objects.all().delete()
    before = database.kept_rows()
    end_a_test()
    assert not Partner.objects.exists()
    assert KeyCheck.objects.count() == 1
    assert database.kept_rows() == before
    assert min(before) > 10


def test_what_a_test_took_of_the_kept_rows_is_made_again() -> None:
    before = database.kept_rows()
    Permission.objects.filter(codename="add_partner").delete()
    end_a_test()
    assert database.kept_rows() == before
    assert Permission.objects.filter(codename="add_partner").exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a setting of SQLite")
def test_no_commit_of_this_process_waits_for_the_disk() -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone() == (0,)
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
