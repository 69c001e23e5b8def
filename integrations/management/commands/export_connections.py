"""`manage.py export_connections`: connections with their tokens as an encrypted bundle, for another installation."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from accounts.audit import Actor
from integrations.errors import IntegrationsError
from integrations.management import moving_options
from integrations.moving import handover
from integrations.moving.exporting import Exporting, ExportReport, export
from sealing import UnreadableSecret

_ACTOR = Actor.system("manage.py")
_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Write connections with their tokens into an encrypted bundle, which import_connections --format bundle "
        "restores on another installation. The file is made with mode 0600 and never overwritten."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # No abbreviations: `--passphrase VALUE` would otherwise mean the file, and be echoed by its error.
        return super().create_parser(prog_name, subcommand, **{**kwargs, "allow_abbrev": False})

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--output", metavar="FILE", help="where the bundle goes")
        what.add_argument(
            "--take-back",
            action="store_true",
            help="call a move off: go on here with what --hand-over paused. Only while the other installation has not "
            "restored it",
        )
        parser.add_argument("--partner", help="of this partner alone: its name or UUID")
        parser.add_argument("--integration", metavar="SLUG", help="of this integration alone")
        parser.add_argument(
            "--with-integrations",
            action="store_true",
            help="with the integrations' settings, scopes and client secrets, so that they can be made anew",
        )
        parser.add_argument(
            "--with-api-keys",
            action="store_true",
            help="with the digests of partners' credentials, so that their keys work there unchanged",
        )
        parser.add_argument(
            "--hand-over",
            action="store_true",
            help="pause each connection here as it is exported: from then on only the other installation refreshes it",
        )
        moving_options.add_key_arguments(parser)
        parser.add_argument("--json", action="store_true", help="print the report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = Exporting(
            actor=_ACTOR,
            partner=moving_options.partner_named(options["partner"]) if options["partner"] else None,
            integration=moving_options.integration_named(options["integration"])
            if options["integration"]
            else None,
            with_integrations=options["with_integrations"],
            with_api_keys=options["with_api_keys"],
            hands_over=options["hand_over"],
        )
        if options["take_back"]:
            answers: dict[str, Any] = {"taken_back": handover.take_back(asked.connections(), actor=_ACTOR)}
            self._print(answers, as_json=options["json"])
            return
        key = moving_options.bundle_key(options, is_new=True)
        try:
            with _new_file(Path(options["output"])) as stream:
                report = export(stream, key, asked)
        except UnreadableSecret:
            raise CommandError(
                "No bundle was made: a client secret cannot be read. Put its key back into FERNET_KEYS (doctor)."
            ) from None
        except IntegrationsError as error:
            raise CommandError(f"No bundle was made. {error}") from None
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                f"No bundle was made: the database is away ({type(error).__name__}). Run the command again."
            ) from None
        self._tell(report, as_json=options["json"])

    def _tell(self, report: ExportReport, *, as_json: bool) -> None:
        answers = {
            name: getattr(report, name)
            for name in ("connections", "handed_over", "partners", "integrations", "api_keys")
        }
        self._print({**answers, "unreadable": len(report.unreadable)}, as_json=as_json)
        for connection_id in report.unreadable[:_SHOWN]:
            self.stderr.write(f"left out, its tokens cannot be read here: {connection_id}")
        if report.unreadable:
            raise CommandError("The bundle lacks connections whose tokens cannot be read; see above.")

    def _print(self, answers: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(answers))
            return
        for name, value in answers.items():
            self.stdout.write(f"{name.replace('_', ' '):<22} {value}")


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is whole and on the disk, or not there: it has its name only once everything is written."""
    partial = path.with_name(f"{path.name}.part")
    if path.exists():
        raise CommandError(f"{path} is there already; it is not overwritten.")
    try:
        _remove_leftover(partial)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written ({type(error).__name__}); no bundle was made."
        ) from None


def _remove_leftover(partial: Path) -> None:
    """Of an export that was killed; it could not be opened anyway. One that still runs holds the file locked."""
    if partial.is_file() and not partial.is_symlink():
        with partial.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(f"Another export is writing {partial}.") from None
    partial.unlink(missing_ok=True)
