"""`manage.py import_connections`: adopt tokens of another system, or restore a bundle of this one."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from accounts.audit import Actor
from integrations.connections.adopt import OnConflict
from integrations.errors import IntegrationsError
from integrations.management import moving_options
from integrations.management.moving_options import integration_named, pairs, partner_named
from integrations.moving.bundle import BundleReader
from integrations.moving.checking import Checker
from integrations.moving.importing import FORMATS, Importing, Refusal, Report, import_lines
from integrations.moving.mappings import MappingOptions
from integrations.moving.restoring import Restoring, restore

ACTOR = Actor.system("manage.py")
_PROGRESS_EVERY = 10_000
BUNDLE = "bundle"


class Command(BaseCommand):
    help = (
        "Adopt tokens that another system holds, without asking a customer again: one JSON object a line. Every line "
        "is judged and stored on its own; running it again goes on where it stopped. Exit 1 when a line was refused. "
        "With --format bundle: restore what export_connections has written."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, **{**kwargs, "allow_abbrev": False})

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="JSON lines; - is standard input")
        parser.add_argument("--format", choices=[*FORMATS, BUNDLE], default="patchbay")
        parser.add_argument("--partner", help="whose customers these are: its name or UUID")
        parser.add_argument("--integration", metavar="SLUG", help="for lines that name none")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="KEY=SLUG",
            help="the other system's name of an integration, and ours; may be repeated",
        )
        parser.add_argument(
            "--map-partner",
            action="append",
            default=[],
            metavar="NAME=NAME",
            help="a partner of the bundle, and the one here that gets its connections; may be repeated",
        )
        moving_options.add_key_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="write nothing; the report is the same")
        parser.add_argument(
            "--on-conflict",
            choices=[choice.value for choice in OnConflict],
            default=OnConflict.SKIP.value,
            help="when the customer is connected already: skip the line, fail it, or replace the tokens",
        )
        parser.add_argument("--check", action="store_true", help="ask the provider for each one adopted")
        parser.add_argument(
            "--identifier",
            default="",
            metavar="PATH",
            help="where userForeignIdentifier stands in a line, such as connection_id or tags.end_user_id",
        )
        parser.add_argument(
            "--name", default="", metavar="PATH", help="where the connection's name stands in a line"
        )
        parser.add_argument(
            "--value",
            action="append",
            default=[],
            metavar="NAME=PATH",
            help="where a value of the provider stands in a line, such as realm_id=metadata.company",
        )
        parser.add_argument(
            "--client-id", default="", help="the OAuth client that made the tokens, if not the current one"
        )
        parser.add_argument("--json", action="store_true", help="print the report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"] and options["check"]:
            raise CommandError(
                "--check asks for what was adopted, and --dry-run adopts nothing: leave one out."
            )
        try:
            answers = self._restore(options) if options["format"] == BUNDLE else self._import(options)
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                f"The database is away ({type(error).__name__}). What was adopted stays; run the command again."
            ) from None
        self._print(answers, is_dry_run=options["dry_run"], as_json=options["json"])
        if answers["refused"] or answers.get("checked", {}).get("refused"):
            raise CommandError("Not all lines were adopted, or not all of them work; see above.")

    def _import(self, options: dict[str, Any]) -> dict[str, Any]:
        asked = _asked(options)
        with ExitStack() as stack:
            stream = stack.enter_context(self._opened(options["file"]))
            checker = stack.enter_context(Checker()) if options["check"] else None
            adopted = {"adopted": checker.check} if checker is not None else {}
            report = import_lines(stream, asked, refused=self._refused, progress=self._progress, **adopted)
        return {**_counts(report), **({"checked": dict(checker.counts)} if checker is not None else {})}

    def _restore(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["file"] == "-" or options["check"]:
            raise CommandError("A bundle is read twice, so it has to be a file; and --check is for lines.")
        if options["partner"] or options["integration"]:
            raise CommandError(
                "A bundle is restored as a whole: --partner and --integration choose at export_connections; "
                "--map-partner and --map name others here."
            )
        asked = Restoring(
            actor=ACTOR,
            slugs=pairs(options["map"], option="--map", shape="SLUG=SLUG"),
            partner_names=pairs(options["map_partner"], option="--map-partner", shape="NAME=NAME"),
            on_conflict=OnConflict(options["on_conflict"]),
            is_dry_run=options["dry_run"],
        )
        key = moving_options.bundle_key(options, is_new=False)
        with moving_options.opened(options["file"]) as stream:
            try:
                reader = BundleReader(stream, key)
                report, made = restore(reader, asked, refused=self._refused, progress=self._progress)
            except IntegrationsError as error:
                raise CommandError(str(error)) from None
        return {
            **_counts(report),
            **{f"{name}_made": count for name, count in dataclasses.asdict(made).items()},
        }

    @contextmanager
    def _opened(self, path: str) -> Iterator[BinaryIO]:
        if path == "-":
            yield sys.stdin.buffer
            return
        with moving_options.opened(path) as stream:
            if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077:
                self.stderr.write(
                    f"Warning: others may read {path}, and it holds secrets: chmod 600 it, and delete it afterwards."
                )
            yield stream

    def _refused(self, refusal: Refusal) -> None:
        self.stderr.write(str(refusal))

    def _progress(self, line: int) -> None:
        if line % _PROGRESS_EVERY == 0:
            self.stderr.write(f"… {line:,} lines read")

    def _print(self, answers: dict[str, Any], *, is_dry_run: bool, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(answers))
            return
        if is_dry_run:
            self.stdout.write("Dry run: nothing was written. It would be:")
        for name, value in answers.items():
            shown = (
                value if isinstance(value, int) else ", ".join(f"{n} {count}" for n, count in value.items())
            )
            self.stdout.write(f"{name.replace('_', ' '):<22} {shown}")


def _counts(report: Report) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(report).items() if name != "by_integration"}


def _asked(options: dict[str, Any]) -> Importing:
    if not options["partner"]:
        raise CommandError("--partner: name the partner whose customers these are.")
    return Importing(
        partner=partner_named(options["partner"]),
        format=options["format"],
        actor=ACTOR,
        integration=integration_named(options["integration"]) if options["integration"] else None,
        slugs=pairs(options["map"], option="--map", shape="KEY=SLUG"),
        options=MappingOptions(
            identifier=options["identifier"],
            name=options["name"],
            client_id=options["client_id"],
            value_paths=pairs(options["value"], option="--value", shape="NAME=PATH"),
        ),
        on_conflict=OnConflict(options["on_conflict"]),
        is_dry_run=options["dry_run"],
    )
