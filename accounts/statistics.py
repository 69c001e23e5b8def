"""What the database knows of its tables' sizes, by which it chooses among indexes."""

from __future__ import annotations

from django.db import connection


def refresh() -> None:
    """Have SQLite count anew; PostgreSQL's autovacuum does so by itself.

    Without counts SQLite takes the index that saves a sort for the best one, and reads every connection of a
    partner for one of its customers. It reads the indexes through once: less than a second for a million rows.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
