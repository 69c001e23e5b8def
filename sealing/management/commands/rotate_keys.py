"""Seal every stored secret anew under the newest key."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import DEFAULT_DB_ALIAS

from sealing.rotation import BATCH_SIZE, ColumnReport, rotate_all

COUNTS = ("scanned", "resealed", "unreadable", "raced")


class _KeepLines(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The three steps stay three lines."""


class Command(BaseCommand):
    help = """Seals every stored secret anew under the newest key, the first in FERNET_KEYS.

Rotation has three steps, so that no process ever meets a value that it cannot open:
  1. Add the new key at the END of FERNET_KEYS and restart every process: all can read it, none writes it.
  2. Move it to the FRONT and restart every process: new values are sealed under it.
  3. Run this command, then remove the old key and restart.

It may run while the system works and may be stopped and run again. Values that no key opens are left as they
are, named, and make the exit status 1: do not drop a key before they are dealt with."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=_KeepLines, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count only, write nothing")
        parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help="rows per transaction")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="alias of the database")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch_size"] < 1:
            raise CommandError("--batch-size must be 1 or more.")
        lines = []
        self.stdout.write(f"{'column':<56}" + "".join(f"{name:>12}" for name in COUNTS))
        for line in rotate_all(
            batch_size=options["batch_size"], using=options["database"], dry_run=options["dry_run"]
        ):
            lines.append(line)
            counts = "".join(f"{getattr(line.report, name):>12}" for name in COUNTS)
            self.stdout.write(f"{line.column:<56}{counts}")
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was written; 'resealed' counts what would be.")
        _refuse_unreadable(lines)


def _refuse_unreadable(lines: list[ColumnReport]) -> None:
    unreadable = sum(line.report.unreadable for line in lines)
    if unreadable:
        named = [context for line in lines for context in line.report.unreadable_contexts]
        raise CommandError(
            f"{unreadable} stored values open with no key in FERNET_KEYS and were left as they are. "
            "Put the missing key back, or replace or delete them:\n  " + "\n  ".join(named)
        )
