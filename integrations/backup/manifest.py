"""manifest.json of a backup: what is in it, which keys open it, and what it has to be checked against."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from integrations.backup.errors import BackupError
from sealing import keyring
from sealing.models import KeyCheck
from sealing.places import sealed_fields
from sealing.survey import around

NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """made_at is from before the copy began; keys are fingerprints of every key that a stored value is under.

    installation is when the database was first made (ISO 8601): two with the same are the same installation.
    migrations are "app.name". unreadable counts values that no key opened when the backup was made.
    """

    made_at: str
    version: str
    database: str
    file: str
    sha256: str
    installation: str
    migrations: list[str]
    keys: list[str]
    unreadable: int
    format: int = FORMAT

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.made_at)

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2) + "\n"
        path = folder / NAME
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Raises BackupError when there is none, or none that this version reads."""
        try:
            content = json.loads((folder / NAME).read_text(encoding="utf-8"))
            made = cls(**content)
            is_known = made.format == FORMAT and made.moment.tzinfo is not None
        except (OSError, ValueError, TypeError):
            raise BackupError(f"{folder} holds no manifest of a backup that can be read.") from None
        if not is_known or Path(made.file).name != made.file:
            raise BackupError(f"{folder}: the manifest is of another format than this version reads.")
        return made

    def check(self, folder: Path) -> None:
        """That this code, this kind of database and these keys can take it, and that the copy is whole.

        Raises BackupError; reads only.
        """
        if self.database != connection.vendor:
            raise BackupError(f"The backup is of {self.database}; DATABASE_URL names {connection.vendor}.")
        unknown = sorted(set(self.migrations) - known_migrations())
        if unknown:
            raise BackupError(
                f"The backup is of a newer version ({self.version}): unknown here are {', '.join(unknown[:5])}."
            )
        missing = [name for name in self.keys if name not in keyring.ring().fingerprints]
        if missing:
            raise BackupError(
                f"FERNET_KEYS lacks the keys {', '.join(missing)}; without them stored secrets stay closed."
            )
        if sha256_of(folder / self.file) != self.sha256:
            raise BackupError(
                f"{self.file} is not what the manifest says (SHA-256): it is damaged or was changed."
            )


def describe(file: str) -> Manifest:
    """The manifest of a backup that begins now; the digest is still to come."""
    made_at = timezone.now()
    keys, unreadable = keys_in_use()
    return Manifest(
        made_at=made_at.isoformat(),
        version=version(),
        database=connection.vendor,
        file=file,
        sha256="",
        installation=installation(),
        migrations=sorted(
            f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()
        ),
        keys=keys,
        unreadable=unreadable,
    )


def keys_in_use() -> tuple[list[str], int]:
    """Fingerprints of the keys that stored values are under, the newest always; and how many values none opens."""
    ring = keyring.ring()
    used, unreadable = {0}, 0
    for model, column in sealed_fields("default"):
        for batch in around(model._base_manager.all(), column.name):
            for pk, sealed in batch:
                position = None if sealed is None else sealed.bind(pk).key_position()
                if position is not None:
                    used.add(position)
                elif sealed is not None:
                    unreadable += 1
    return [ring.fingerprints[position] for position in sorted(used)], unreadable


def installation() -> str:
    """When this installation's database was first made; "" for one that was not migrated yet."""
    if KeyCheck._meta.db_table not in connection.introspection.table_names():
        return ""
    made = KeyCheck.objects.filter(pk=KeyCheck.THE_ONE).values_list("created_at", flat=True).first()
    return made.isoformat() if made else ""


def known_migrations() -> set[str]:
    """What this code knows, as "app.name"; squashed ones' parts too."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return {f"{app}.{name}" for app, name in loader.disk_migrations}


def version() -> str:
    """Of pyproject.toml; "unknown" where the code was installed without it."""
    try:
        project = tomllib.loads((Path(settings.BASE_DIR) / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"


def sha256_of(path: Path) -> str:
    """Raises BackupError when the file is not there."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BackupError(f"{path.name} cannot be read ({type(error).__name__}).") from None
