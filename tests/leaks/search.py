"""Looking for known secrets in whatever a run left behind, in the forms in which they could stand there."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

#: excluded, and said so in docs/security.md: what the operator's own start has to keep, and the provider's side
EXCLUDED = frozenset({"demo.json", "demo.json.pending", ".env", "sandbox.json", "screen.txt"})


@dataclass(frozen=True)
class Hit:
    """A secret of that name was found there."""

    secret: str
    place: str


def forms(secret: str) -> set[bytes]:
    """Clear, percent- and form-encoded, hex, and base64 at each of its three alignments."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), quote_plus(secret).encode(), raw.hex().encode()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        # The first and last characters depend on the neighbours; what lies between is always the same.
        middle = encoded[4 if offset else 0 : -4]
        found |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in found if len(form) >= 12}


def in_bytes(content: bytes, secrets: dict[str, str], place: str) -> list[Hit]:
    """The secrets that stand in content."""
    return [
        Hit(name, place) for name, secret in secrets.items() if any(form in content for form in forms(secret))
    ]


def in_folder(folder: Path, secrets: dict[str, str]) -> list[Hit]:
    """Every file of a data folder but the excluded ones: database with its log, broker, logs, caches."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in EXCLUDED)
    return [
        hit for path in files for hit in in_bytes(path.read_bytes(), secrets, str(path.relative_to(folder)))
    ]


def in_tables(database: Path, secrets: dict[str, str]) -> list[Hit]:
    """Every value of every table, read through SQL: the file's pages may split a value."""
    hits: list[Hit] = []
    with sqlite3.connect(database) as connection:
        for table in _tables(connection):
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                content = b"\0".join(_as_bytes(value) for value in row)
                hits += in_bytes(content, secrets, f"table {table}")
    return hits


def _tables(connection: sqlite3.Connection) -> Iterator[str]:
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
        yield str(name)


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def in_pages(pages: Iterable[tuple[str, bytes]], secrets: dict[str, str]) -> list[Hit]:
    """Replies that were collected as (place, headers and content)."""
    return [hit for place, content in pages for hit in in_bytes(content, secrets, place)]
