"""What became of each connection, kept apart from the backup: an old backup cannot know which grants ended since.

A file of it is one JSON line about the whole, then a line of UUID and status for each connection. No secret.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connection
from django.utils import timezone

from integrations.backup.errors import BackupError
from integrations.backup.manifest import installation
from integrations.models import Connection
from integrations.models.connection import Status


@dataclass(frozen=True)
class KnownStates:
    """statuses as they were at as_of.

    is_complete: taken from the very database that is replaced, so nothing can have happened since. Never so when it
    comes from a file.
    """

    installation: str
    as_of: datetime
    statuses: dict[uuid.UUID, str]
    is_complete: bool = False


def read_database() -> KnownStates | None:
    """Of the database as it is; None when it has no connections table yet."""
    if Connection._meta.db_table not in connection.introspection.table_names():
        return None
    now = timezone.now()
    return KnownStates(installation(), now, dict(_statuses()), is_complete=True)


def _statuses() -> Iterator[tuple[uuid.UUID, str]]:
    # Named columns alone: the table may be an older or newer version's.
    yield from Connection.objects.order_by().values_list("pk", "status").iterator()


def write(path: Path, known: KnownStates) -> None:
    """Replaces the file in one step, mode 0600. Raises BackupError."""
    head = {
        "installation": known.installation,
        "as_of": known.as_of.isoformat(),
        "connections": len(known.statuses),
    }
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(head) + "\n")
            stream.writelines(f"{pk} {status}\n" for pk, status in known.statuses.items())
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be written ({type(error).__name__}).") from None


def read(path: Path) -> KnownStates:
    """Raises BackupError when the file is not one of ours or not whole."""
    try:
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        about = json.loads(head)
        pairs = (line.split(" ") for line in lines)
        statuses = {uuid.UUID(pk): Status(status).value for pk, status in pairs}
        known = KnownStates(str(about["installation"]), datetime.fromisoformat(about["as_of"]), statuses)
        is_whole = about["connections"] == len(statuses) and known.as_of.tzinfo is not None
    except (OSError, ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise BackupError(f"{path} is no whole list of connections' states (backup --states).")
    return known
