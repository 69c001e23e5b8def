"""The tests' database made quick: no waiting for the disk, and only what a test can have changed is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connections
from django.db.models import Model
from django.test import TransactionTestCase

from sealing.apps import make_canary

#: made by `migrate` for every model, a few hundred rows: nine tenths of what a flush takes
KEPT: tuple[type[Model], ...] = (ContentType, Permission)


def write_without_waiting() -> None:
    """SQLite of this process leaves it to the system when to write; a test's data may be lost with the machine."""
    for database in connections.settings.values():
        if database["ENGINE"].endswith("sqlite3"):
            options = database["OPTIONS"]
            options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")


@contextmanager
def emptied_quickly(wanted: list[int]) -> Iterator[None]:
    """After a transactional test its rows go, as by `flush`, and those of KEPT stay while they are as many as that."""
    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def teardown(case: TransactionTestCase) -> None:
        if case.available_apps is not None or case.serialized_rollback or kept_rows() != wanted:
            flush(case)
            return
        for name in case._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
            _empty(name)
            make_canary(None, using=name)  # type: ignore[arg-type]

    with mock.patch.object(TransactionTestCase, "_fixture_teardown", teardown):
        yield


def kept_rows() -> list[int]:
    """How many rows there are of each of KEPT."""
    return [model._default_manager.count() for model in KEPT]


def _empty(name: str) -> None:
    connection = connections[name]
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    kept = {model._meta.db_table for model in KEPT}
    emptied = [table for table in tables if table not in kept]
    if connection.vendor == "postgresql":
        # TRUNCATE makes a new file for every table and index, though nearly all are empty.
        statements = ["; ".join(f"DELETE FROM {connection.ops.quote_name(table)}" for table in emptied)]
    else:
        statements = connection.ops.sql_flush(no_style(), emptied, reset_sequences=False, allow_cascade=False)
    connection.ops.execute_sql_flush(statements)
