"""SQLite's counts of rows."""

from __future__ import annotations

import pytest
from django.db import connection

from accounts import statistics
from accounts.models import Partner
from integrations.tasks import purge_old

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def _counted() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tbl FROM sqlite_stat1")
        return {str(table) for (table,) in cursor.fetchall()}


def test_counting_is_harmless_on_either_database() -> None:
    Partner.objects.create(name="Acme")

    statistics.refresh()

    if connection.vendor == "sqlite":
        assert "accounts_partner" in _counted()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL counts by itself")
def test_the_hourly_job_counts_too() -> None:
    Partner.objects.create(name="Acme")

    purge_old()

    assert "accounts_partner" in _counted()
