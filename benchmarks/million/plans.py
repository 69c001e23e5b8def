"""The SQL that a piece of the product sends, and how the database carries it out."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

#: tables that grow with the connections; reading one of them from end to end is what must not happen
BIG = ("integrations_connection", "integrations_connectionnumber", "accounts_customer")
_KINDS = ("SELECT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it was sent, and the seconds that it took."""

    sql: str
    params: Any
    seconds: float


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Every statement of the block, in order."""
    statements: list[Statement] = []

    def record(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            if sql.lstrip().startswith(_KINDS) and not many:
                statements.append(Statement(sql, params, time.perf_counter() - started))

    with connection.execute_wrapper(record):
        yield statements


@contextmanager
def undone() -> Iterator[None]:
    """What is written in the block is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def explain(statement: Statement) -> list[str]:
    """The plan, a line a step. On PostgreSQL it is carried out, with rows and buffers, and taken back."""
    with undone(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {statement.sql}", statement.params)
            return [str(line) for (line,) in cursor.fetchall()]
        cursor.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.params)
        return [str(row[3]) for row in cursor.fetchall()]


def full_reads(lines: list[str]) -> list[str]:
    """The steps of a plan that read a big table, or one of its indexes, from end to end."""
    tables = "|".join(BIG)
    if not any("TEMP B-TREE" in line for line in lines):
        # In the order of an index, which a page of the list ends after a few rows.
        lines = [line for line in lines if not re.search(r"^SCAN \S+ USING INDEX", line)]
    # SQLite: SCAN reads everything, SEARCH a range. PostgreSQL: a scan without a condition on the index too.
    pattern = re.compile(rf"Seq Scan on ({tables})\b|^SCAN ({tables})\b")
    return [line.strip() for line in lines if pattern.search(line.strip().lstrip("-> "))]


def touched(lines: list[str]) -> str:
    """In short: how each big table is reached."""
    found = []
    for line in lines:
        text = line.strip().lstrip("-> ")
        if any(table in text for table in BIG) or " using " in text.lower() or "Index Scan on" in text:
            text = re.sub(r"\s*\(cost=.*", "", text)
            if text not in found and not text.startswith(("Update", "Index Cond", "Filter", "Sort")):
                found.append(text)
    return "; ".join(found)


def rows_removed(lines: list[str]) -> int:
    """How many rows PostgreSQL read and threw away: the cost that a plan hides."""
    return sum(int(number) for number in re.findall(r"Rows Removed by [A-Za-z ]+: (\d+)", "\n".join(lines)))


def as_json(value: Any) -> str:
    return json.dumps(value, default=str)
