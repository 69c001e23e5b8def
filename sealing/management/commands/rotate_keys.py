"""Seal every stored secret anew under the newest key."""

from __future__ import annotations

import argparse
import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import DEFAULT_DB_ALIAS

from sealing import keyring, survey
from sealing.rotation import ColumnReport, rotate_all
from sealing.survey import BATCH_SIZE, Survey

COUNTS = ("scanned", "resealed", "unreadable", "raced")
CHECKED = ("looked_at", "newest", "older", "unreadable")
#: a pass finds what others sealed under an older key behind the pass before it
MAX_PASSES = 5
_PROGRESS_SECONDS = 5.0


class _KeepLines(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """The three steps stay three lines."""


class Command(BaseCommand):
    help = """Seals every stored secret anew under the newest key, the first in FERNET_KEYS.

Rotation has three steps, so that no process ever meets a value that it cannot open:
  1. Add the new key at the END of FERNET_KEYS and restart every process: all can read it, none writes it.
  2. Move it to the FRONT and restart every process: new values are sealed under it.
  3. Run this command, then remove the old key and restart.

It may run while the system works and may be stopped or killed and run again. It goes over the rows until a pass
finds nothing under an older key, and exits with 0 then alone. Values that no key opens are left as they are,
named, and make the exit status 1: do not drop a key before they are dealt with. docs/keys.md tells the rest."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=_KeepLines, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        only = parser.add_mutually_exclusive_group()
        only.add_argument("--dry-run", action="store_true", help="count what would be sealed, write nothing")
        only.add_argument(
            "--check",
            action="store_true",
            help="write nothing; exit 0 only if every value is under the newest key, so that older keys may go",
        )
        parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help="rows per transaction")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="alias of the database")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch_size"] < 1:
            raise CommandError("--batch-size must be 1 or more.")
        try:
            names = keyring.ring().fingerprints
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"newest key: {names[0]}; older keys: {', '.join(names[1:]) or 'none'}")
        if options["check"]:
            self._check(options["database"], names[1:])
        else:
            self._rotate(options, names[1:])

    def _check(self, using: str, older: tuple[str, ...]) -> None:
        found = survey.take(using=using, progress=self._progress())
        self.stdout.write(_row("column", CHECKED))
        for column in found.columns:
            self.stdout.write(_row(column.column, [getattr(column, name) for name in CHECKED]))
        _refuse_findings(found)
        self.stdout.write(self.style.SUCCESS(_ALL_NEWEST + _droppable(older)))

    def _rotate(self, options: dict[str, Any], older: tuple[str, ...]) -> None:
        is_dry = options["dry_run"]
        for number in range(1, MAX_PASSES + 1):
            lines = self._pass(number, options)
            resealed = sum(line.report.resealed for line in lines)
            left = sum(line.report.left for line in lines)
            if is_dry:
                self.stdout.write("Dry run: nothing was written; 'resealed' counts what would be.")
            if is_dry or not (resealed or left):
                break
        _refuse_unreadable(lines)
        if is_dry:
            return
        if resealed or left:
            raise CommandError(
                f"Pass {MAX_PASSES} still found {resealed + left} values under an older key: some process seals "
                "with it while this command runs. Put the newest key first in FERNET_KEYS of every process, "
                "restart them, and run this again. Keep the older keys until it exits with 0."
            )
        self.stdout.write(self.style.SUCCESS(_ALL_NEWEST + _droppable(older)))

    def _pass(self, number: int, options: dict[str, Any]) -> list[ColumnReport]:
        self.stdout.write(_row("column" if number == 1 else f"column, pass {number}", COUNTS))
        lines = []
        for line in rotate_all(
            batch_size=options["batch_size"],
            using=options["database"],
            dry_run=options["dry_run"],
            progress=self._progress(),
        ):
            lines.append(line)
            self.stdout.write(_row(line.column, [getattr(line.report, name) for name in COUNTS]))
        return lines

    def _progress(self) -> survey.Progress:
        """A line on stderr every few seconds: the columns of a large table take their time."""
        next_at = time.monotonic() + _PROGRESS_SECONDS

        def tell(column: str, rows: int) -> None:
            nonlocal next_at
            if time.monotonic() >= next_at:
                next_at = time.monotonic() + _PROGRESS_SECONDS
                self.stderr.write(f"{column}: {rows} rows so far", self.style.NOTICE)

        return tell


_ALL_NEWEST = "Every value is under the newest key."


def _row(name: str, cells: tuple[str, ...] | list[int]) -> str:
    return f"{name:<56}" + "".join(f"{cell:>12}" for cell in cells)


def _droppable(older: tuple[str, ...]) -> str:
    if not older:
        return ""
    which = f"The older key {older[0]}" if len(older) == 1 else f"The older keys {', '.join(older)}"
    return (
        f" {which} may be removed from FERNET_KEYS once the newest stands first in every process. "
        "Keep what old backups were sealed with."
    )


def _refuse_findings(found: Survey) -> None:
    unreadable, older = found.total("unreadable"), found.total("older")
    sentences = []
    if unreadable:
        named = [f"{column.column}:{pk}" for column in found.columns for pk in column.unreadable_pks]
        sentences.append(_unreadable(unreadable, named))
    if older:
        sentences.append(f"{older} values are under an older key: run rotate_keys before any key is removed.")
    if sentences:
        raise CommandError("\n".join(sentences))


def _refuse_unreadable(lines: list[ColumnReport]) -> None:
    unreadable = sum(line.report.unreadable for line in lines)
    if unreadable:
        named = [context for line in lines for context in line.report.unreadable_contexts]
        raise CommandError(_unreadable(unreadable, named))


def _unreadable(count: int, named: list[str]) -> str:
    return (
        f"{count} stored values open with no key in FERNET_KEYS and were left as they are. "
        "Put the missing key back, or replace or delete them:\n  " + "\n  ".join(named)
    )
