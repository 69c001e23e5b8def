"""Adopting a stream of lines: each line is judged and stored on its own, in a transaction of its own."""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.db import DatabaseError, InterfaceError, OperationalError

from accounts import audit
from accounts.audit import Actor
from accounts.identifiers import InvalidIdentifier
from accounts.models import Partner
from integrations.catalogue import UnknownProvider
from integrations.connections.adopt import OnConflict, Outcome, adopt_unless_there, foresee
from integrations.connections.adoption import Adoption
from integrations.errors import InvalidInput, NotFound
from integrations.models import Connection, ConnectionNumber, Integration
from integrations.moving import values
from integrations.moving.lines import read_lines
from integrations.moving.mappings import LineMapping, MappingOptions, PatchbayLines
from integrations.moving.nango import NangoLines
from integrations.moving.rehearsal import Rehearsal
from integrations.moving.stackgo import StackGoLines

FORMATS: dict[str, type[LineMapping]] = {
    "patchbay": PatchbayLines,
    "nango": NangoLines,
    "stackgo": StackGoLines,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line was not adopted. field is the public name of the place, "" for the line as a whole."""

    line: int
    field: str
    sentence: str

    def __str__(self) -> str:
        return f"line {self.line}: {f'{self.field}: ' if self.field else ''}{self.sentence}"


@dataclass(slots=True)
class Report:
    """How many lines came to what; by_integration counts outcomes by slug, for the audit trail."""

    adopted: int = 0
    replaced: int = 0
    already_there: int = 0
    refused: int = 0
    without_refresh_token: int = 0
    numbers_not_kept: int = 0
    by_integration: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, slug: str, outcome: Outcome) -> None:
        name = outcome.value.replace(" ", "_")
        setattr(self, name, getattr(self, name) + 1)
        self.by_integration.setdefault(slug, Counter())[name] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Importing:
    """What an import is told. slugs: the other system's name of an integration -> our appSlug."""

    partner: Partner
    format: str
    actor: Actor
    integration: Integration | None = None
    slugs: Mapping[str, str] = field(default_factory=dict)
    options: MappingOptions = field(default_factory=MappingOptions)
    on_conflict: OnConflict = OnConflict.SKIP
    is_dry_run: bool = False


def import_lines(
    stream: BinaryIO,
    asked: Importing,
    *,
    refused: Callable[[Refusal], None],
    adopted: Callable[[Connection], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Adopt what can be adopted; refused hears of the rest, line by line, without a value of it.

    A dry run writes nothing and comes to the same report. What was adopted is in the audit trail, also when
    the import is stopped half-way; running it again goes on. Raises OperationalError when the database is away.
    """
    report, importer = Report(), _Importer(asked)
    try:
        for number, line in read_lines(stream):
            try:
                if isinstance(line, InvalidInput):
                    raise line
                connection = importer.take(line, report)
            except (OperationalError, InterfaceError):
                raise
            except (InvalidInput, InvalidIdentifier, NotFound, UnknownProvider, DatabaseError) as error:
                report.refused += 1
                refused(_refusal(number, error))
            else:
                if connection is not None:
                    adopted(connection)
            progress(number)
    finally:
        if not asked.is_dry_run:
            _record(report, asked)
    return report


class _Importer:
    def __init__(self, asked: Importing) -> None:
        self._asked = asked
        self._mapping = FORMATS[asked.format]()
        self._integrations: dict[str, Integration] = {}
        self._first_key: str | None = None
        self._rehearsal = Rehearsal(asked.on_conflict) if asked.is_dry_run else None

    def take(self, line: Mapping[str, Any], report: Report) -> Connection | None:
        """Adopt one line, or foresee it. Returns what is new or has new tokens."""
        asked = self._asked
        integration = self._integration(line)
        adoption = self._mapping.adoption(line, integration.provider, asked.options)
        connection: Connection | None = None
        if self._rehearsal is not None:
            outcome = foresee(asked.partner, integration, adoption, on_conflict=asked.on_conflict)
            outcome = self._rehearsal.settle(asked.partner, integration, adoption, outcome)
            is_number_kept = outcome != Outcome.ADOPTED or self._rehearsal.is_number_free(adoption.number)
        else:
            outcome, connection = adopt_unless_there(
                asked.partner, integration, adoption, actor=asked.actor, on_conflict=asked.on_conflict
            )
            is_number_kept = _has_number(connection, adoption)
        report.count(integration.slug, outcome)
        if outcome != Outcome.ALREADY_THERE:
            report.without_refresh_token += not adoption.refresh_token.strip()
        if outcome == Outcome.ADOPTED and adoption.number is not None:
            report.numbers_not_kept += not is_number_kept
        return None if outcome == Outcome.ALREADY_THERE else connection

    def _integration(self, line: Mapping[str, Any]) -> Integration:
        name = self._mapping.key_name
        key = values.text(line, name)
        chosen = self._asked.integration
        if not key:
            if chosen is None:
                raise InvalidInput(name, "The line names no integration: give --integration SLUG.")
            return chosen
        if key in self._asked.slugs:
            return self._by_slug(self._asked.slugs[key])
        if self._mapping.names_our_slugs:
            if chosen is not None and key != chosen.slug:
                raise InvalidInput(
                    name, f"The line is of another integration than --integration {chosen.slug}."
                )
            return self._by_slug(key)
        return self._of_one_key(key, chosen, name)

    def _of_one_key(self, key: str, chosen: Integration | None, name: str) -> Integration:
        """--integration serves the lines of one key alone: others would get tokens of another provider."""
        if chosen is None or self._asked.slugs:
            raise InvalidInput(
                name, f"This key has no integration here: give --map KEY=SLUG for each {name}."
            )
        self._first_key = self._first_key or key
        if key != self._first_key:
            raise InvalidInput(
                name, "The line has another key than the first: give --map KEY=SLUG for each of them."
            )
        return chosen

    def _by_slug(self, slug: str) -> Integration:
        if slug not in self._integrations:
            found = Integration.objects.filter(slug=slug[:64]).first()
            if found is None:
                known = ", ".join(Integration.objects.values_list("slug", flat=True)) or "none"
                raise InvalidInput(
                    self._mapping.key_name, f"There is no such integration; there are: {known}."
                )
            self._integrations[slug] = found
        return self._integrations[slug]


def _has_number(connection: Connection, adoption: Adoption) -> bool:
    if adoption.number is None:
        return True
    return ConnectionNumber.objects.filter(pk=adoption.number, connection=connection).exists()


def _refusal(number: int, error: Exception) -> Refusal:
    """str() of our own errors is fit to be shown; that of a database may quote the row."""
    if isinstance(error, InvalidInput):
        return Refusal(number, error.field, str(error))
    if isinstance(error, InvalidIdentifier):
        return Refusal(number, "userForeignIdentifier", str(error))
    if isinstance(error, NotFound):
        return Refusal(number, "", "The integration has no client credentials yet.")
    if isinstance(error, UnknownProvider):
        return Refusal(number, "", "The integration's provider is not in the catalogue.")
    return Refusal(number, "", f"The database did not take the line ({type(error).__name__}).")


def operator() -> str:
    """Who runs the command, as far as the system tells."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _record(report: Report, asked: Importing) -> None:
    """One entry for each integration: who brought how many, never what."""
    for slug, counts in report.by_integration.items():
        integration = Integration.objects.get(slug=slug)
        changes = {"format": asked.format, "operator": operator(), **counts}
        audit.record(
            "connections.imported", integration, actor=asked.actor, partner=asked.partner, changes=changes
        )
