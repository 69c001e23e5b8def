"""`manage.py backup`: the whole database as a folder, while the system works; or what became of each connection."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.backup import copying, known_states, manifest
from integrations.backup.errors import BackupError


class Command(BaseCommand):
    help = (
        "Copy the database into a new folder (0700, its files 0600) with a manifest, while the system works. Secrets "
        "stay sealed: keep FERNET_KEYS apart from it. The manifest names the keys that are needed by fingerprint."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--to", metavar="FOLDER", help="the new folder; one that is there is refused")
        what.add_argument(
            "--states",
            metavar="FILE",
            help="write only what became of each connection (no secrets), replacing the file: run it often, keep it "
            "apart from the database; restore --states reads it, so that ended grants stay ended",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["states"]:
                self._write_states(Path(options["states"]))
            else:
                self._back_up(Path(options["to"]))
        except BackupError as error:
            raise CommandError(str(error)) from None

    def _write_states(self, path: Path) -> None:
        known = known_states.read_database()
        if known is None:
            raise BackupError("The database is empty: run `python manage.py migrate`.")
        # In a file it is as old as the file: things go on happening after it.
        known_states.write(path, dataclasses.replace(known, is_complete=False))
        self.stdout.write(f"{len(known.statuses)} connections as of {known.as_of.isoformat()}")

    def _back_up(self, folder: Path) -> None:
        if folder.exists() or folder.is_symlink():
            raise BackupError(f"{folder} is there already; it is not overwritten.")
        if not manifest.installation():
            raise BackupError("The database is empty: run `python manage.py migrate`.")
        partial = folder.with_name(f".{folder.name}.part")
        try:
            partial.mkdir(mode=0o700)
        except OSError as error:
            raise BackupError(
                f"{partial} cannot be made ({type(error).__name__}); remove what a killed backup left there."
            ) from None
        try:
            made = manifest.describe(copying.file_name())
            copying.copy_to(partial / made.file)
            made = dataclasses.replace(made, sha256=manifest.sha256_of(partial / made.file))
            made.write(partial)
            partial.rename(folder)
        except OSError as error:
            raise BackupError(f"{folder} cannot be written ({type(error).__name__}).") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self.stdout.write(f"{folder}: {made.file} of {made.made_at}")
        self.stdout.write(f"keys needed (fingerprints): {', '.join(made.keys)}")
        if made.unreadable:
            self.stderr.write(
                f"{made.unreadable} stored values open with no key here; see `manage.py doctor`."
            )
