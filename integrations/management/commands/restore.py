"""`manage.py restore`: a backup's database in place of this one, without bringing ended grants back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.models import Partner
from integrations.backup import copying, known_states, settling
from integrations.backup.errors import BackupError
from integrations.backup.known_states import KnownStates
from integrations.backup.manifest import Manifest
from integrations.models import Integration


class Command(BaseCommand):
    help = (
        "Put a backup (backup --to) in the database's place: stop web, worker and beat first. Connections that were "
        "disconnected since stay disconnected, as far as the replaced database or --states tells; where neither "
        "does, all are paused. What can be refreshed is refreshed before its next use."
    )
    requires_system_checks: Any = []  # they may ask the database that is to be replaced

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--from", dest="folder", metavar="FOLDER", required=True)
        parser.add_argument("--replace", action="store_true", help="though the database is not empty")
        parser.add_argument(
            "--states", metavar="FILE", help="what backup --states wrote, later than the backup"
        )
        parser.add_argument(
            "--accept-unknown",
            action="store_true",
            help="do not pause connections of which nobody knows whether they were disconnected after the backup (or "
            "after --states): grants that customers ended may work again; the audit trail will say so",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(options["folder"])
        try:
            made = Manifest.read(folder)
            made.check(folder)
            left = _left_behind()
            if not options["replace"] and not left.exists() and not _is_empty():
                raise BackupError("The database is not empty. --replace restores over it; back it up first.")
            known = _known(made, options["states"], left)
            _replace(folder / made.file, known, left)
            call_command("migrate", interactive=False, verbosity=0)
            settled = settling.settle(made, known, accepts_unknown=options["accept_unknown"])
            left.unlink(missing_ok=True)
        except BackupError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"restored the backup of {made.made_at}")
        self.stdout.write(f"states known until {known.as_of.isoformat()}")
        for name in ("ended", "paused", "to_verify"):
            self.stdout.write(f"{name.replace('_', ' '):<10} {getattr(settled, name)}")


def _left_behind() -> Path:
    """Stands there from before the database is replaced until its connections are settled."""
    return Path(settings.DATA_DIR) / "restore-unfinished.states"


def _is_empty() -> bool:
    """Nothing in it, or only what `migrate` makes."""
    tables = set(connection.introspection.table_names())
    models = (Partner, Integration, get_user_model())
    return not any(model._meta.db_table in tables and model._base_manager.exists() for model in models)


def _known(made: Manifest, states: str | None, left: Path) -> KnownStates:
    """The latest that is known of this backup's installation. Raises BackupError for a file that does not fit."""
    if states is not None:
        known = known_states.read(Path(states))
        if known.installation != made.installation:
            raise BackupError(f"{states} is of another installation than the backup.")
        if known.as_of < made.moment:
            raise BackupError(f"{states} is older than the backup and says nothing of what came after it.")
        return known
    found = known_states.read(left) if left.exists() else known_states.read_database()
    if found is None or found.installation != made.installation:
        return KnownStates(made.installation, made.moment, {})
    return found


def _replace(copy: Path, known: KnownStates, left: Path) -> None:
    """With known on the disk: a restore that is killed must not take the backup's own states for the latest."""
    is_again = left.exists()
    known_states.write(left, known)
    try:
        copying.replace_with(copy)
    except BackupError:  # nothing was changed, and what is known goes on growing old
        if not is_again:
            left.unlink()
        raise
