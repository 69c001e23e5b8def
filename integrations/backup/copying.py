"""Copies of the whole database: SQLite's online backup API, PostgreSQL's own programs.

Where PostgreSQL is and its password reach the programs by their environment (libpq), never by their arguments,
which every user of the machine may read.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

from django.db import connection

from integrations.backup.errors import BackupError

FILES = {"sqlite": "patchbay.sqlite3", "postgresql": "patchbay.dump"}
_LIBPQ = {
    "HOST": "PGHOST",
    "PORT": "PGPORT",
    "USER": "PGUSER",
    "PASSWORD": "PGPASSWORD",
    "NAME": "PGDATABASE",
}
_LIBPQ_OPTIONS = {
    name: f"PG{name.upper()}"
    for name in ("sslmode", "sslrootcert", "sslcert", "sslkey", "service", "passfile")
}
_WAIT_SECONDS = 20


def file_name() -> str:
    """How the copy of this kind of database is called."""
    return FILES[connection.vendor]


def copy_to(path: Path) -> None:
    """A consistent copy as a new file with mode 0600, while the system works. Raises BackupError."""
    path.touch(mode=0o600, exist_ok=False)
    if connection.vendor == "postgresql":
        _run(["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}"])
        return
    try:
        with (
            closing(sqlite3.connect(_sqlite_file(), timeout=_WAIT_SECONDS)) as source,
            closing(sqlite3.connect(path)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
            _require_whole(copy)
    except sqlite3.Error as error:
        raise BackupError(f"No backup was made: SQLite refuses ({error}).") from None


def replace_with(path: Path) -> None:
    """Make the copy the database: all of it, or nothing is changed. Raises BackupError."""
    if connection.vendor == "postgresql":
        _load_postgresql(path)
    else:
        connection.close()
        _load_sqlite(path)


def _load_sqlite(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as copy:
            _require_whole(copy)
            target = _sqlite_file()
            if not target.exists():
                target.touch(mode=0o600)
            with closing(sqlite3.connect(target, timeout=_WAIT_SECONDS)) as database:
                copy.backup(database)
    except sqlite3.Error as error:
        raise BackupError(f"Nothing was restored: SQLite refuses ({error}). Stop all processes.") from None


def _load_postgresql(path: Path) -> None:
    """One transaction drops what is there and makes what was; tables of newer migrations go too."""
    drops = [
        f"DROP TABLE IF EXISTS {connection.ops.quote_name(name)} CASCADE"
        for name in connection.introspection.table_names()
    ]
    connection.close()  # what the pool keeps open is idle and holds no lock
    with tempfile.TemporaryDirectory(prefix="patchbay-restore-") as folder:
        script = Path(folder) / "restore.sql"  # whole before the first statement runs
        _run(["pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(path)])
        first = Path(folder) / "drop.sql"
        first.write_text(
            "SET lock_timeout = '20s';\n" + "".join(f"{drop};\n" for drop in drops), encoding="utf-8"
        )
        psql = ["psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        _run([*psql, "--output=/dev/null", f"--file={first}", f"--file={script}"])


def _run(arguments: list[str]) -> None:
    try:
        done = subprocess.run(
            arguments,
            env={**os.environ, **libpq_environment()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise BackupError(
            f"{arguments[0]} cannot be run ({type(error).__name__}): install PostgreSQL's client programs."
        ) from None
    if done.returncode:
        # Only the first line: what follows may quote a row.
        line = done.stderr.strip().splitlines()[:1]
        raise BackupError(f"{arguments[0]} failed: {''.join(line)[:300]}")


def libpq_environment() -> dict[str, str]:
    """Where the database is, as libpq's programs read it."""
    described = connection.settings_dict
    found = {variable: described.get(name) for name, variable in _LIBPQ.items()}
    options = described.get("OPTIONS") or {}
    found.update({variable: options.get(name) for name, variable in _LIBPQ_OPTIONS.items()})
    return {variable: str(value) for variable, value in found.items() if value}


def _sqlite_file() -> Path:
    return Path(connection.settings_dict["NAME"])


def _require_whole(database: sqlite3.Connection) -> None:
    if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise BackupError("SQLite says that the database is damaged (quick_check).")
