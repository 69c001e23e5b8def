"""Rows on their way into tables: values as the database driver wants them, and the two ways to write many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, models
from django.db.models.fields import NOT_PROVIDED

from accounts import statistics

Row = tuple[Any, ...]


class Table:
    """The columns of a model, whatever its migrations have added: what is not given takes its default."""

    def __init__(self, model: type[models.Model]) -> None:
        self.model = model
        self.name = model._meta.db_table
        self._fields = [field for field in model._meta.concrete_fields if _is_written(field)]
        self._defaults = [_default(field) for field in self._fields]

    @property
    def columns(self) -> list[str]:
        return [str(field.column) for field in self._fields]

    def row(self, **given: Any) -> Row:
        """A row for write(); names are attribute names of the model (partner_id)."""
        row = tuple(
            _prepared(field, given[field.attname]) if field.attname in given else default
            for field, default in zip(self._fields, self._defaults, strict=True)
        )
        if unknown := given.keys() - {field.attname for field in self._fields}:
            raise ValueError(f"{self.name} has no {', '.join(sorted(unknown))}.")
        return row

    def write(self, rows: Iterable[Row]) -> None:
        """COPY on PostgreSQL, executemany elsewhere; the caller opens the transaction."""
        names = ", ".join(f'"{name}"' for name in self.columns)
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f'COPY "{self.name}" ({names}) FROM STDIN') as copy:
                    for row in rows:
                        copy.write_row(row)
            else:
                marks = ", ".join(["%s"] * len(self.columns))
                cursor.executemany(f'INSERT INTO "{self.name}" ({names}) VALUES ({marks})', list(rows))


def _is_written(field: models.Field[Any, Any]) -> bool:
    """All but what the database counts or computes itself."""
    return not isinstance(field, models.AutoField) and not getattr(field, "generated", False)


def _prepared(field: models.Field[Any, Any], value: Any) -> Any:
    prepared = field.get_db_prep_save(value, connection)
    return bytes(prepared) if isinstance(prepared, memoryview) else prepared  # which no process can hand on


def _default(field: models.Field[Any, Any]) -> Any:
    if field.default is NOT_PROVIDED and not field.null and field.db_default is not NOT_PROVIDED:
        value: Any = field.db_default
        if hasattr(value, "as_sql"):
            value = getattr(value, "value", None)
    else:
        value = field.get_default()
    return field.get_db_prep_save(value, connection) if value is not None or field.null else None


@contextmanager
def without_indexes(tables: Sequence[Table]) -> Any:
    """Drop the secondary indexes while much is written, and build them afterwards as they were."""
    definitions = [item for table in tables for item in _indexes(table.name)]
    with connection.cursor() as cursor:
        for name, _ in definitions:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        for _, definition in definitions:
            cursor.execute(definition)


def _indexes(table: str) -> list[tuple[str, str]]:
    """(name, definition) of every index that no constraint of the table stands for."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexname NOT IN"
                " (SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass)",
                [table, table],
            )
        else:
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = %s AND sql IS NOT NULL",
                [table],
            )
        return [(str(name), str(definition)) for name, definition in cursor.fetchall()]


@contextmanager
def written_fast() -> Any:
    """Foreign keys unchecked (the rows are ours) and SQLite without its waits for the disk, in this block."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
            yield
            cursor.execute("SET session_replication_role = DEFAULT")
        else:
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.execute("PRAGMA synchronous = OFF")
            cursor.execute("PRAGMA cache_size = -400000")
            yield
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA cache_size = -2000")


def settle(tables: Sequence[Table]) -> None:
    """What autovacuum does within minutes of such a change, and the product's hourly job on SQLite."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for table in tables:
                cursor.execute(f'VACUUM ANALYZE "{table.name}"')
            cursor.execute("CHECKPOINT")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    statistics.refresh()
