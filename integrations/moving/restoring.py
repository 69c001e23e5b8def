"""Restoring a bundle: all of it is verified first, then partners and integrations, then connections in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit, identifiers
from accounts.audit import Actor
from accounts.models import Customer, Partner
from integrations.connections.adopt import OnConflict, Outcome, first_refresh, keep_number, settle
from integrations.errors import InvalidInput
from integrations.models import Connection, ConnectionNumber
from integrations.models.connection import Status
from integrations.moving.bundle import BundleReader, Damaged
from integrations.moving.importing import Refusal, Report, operator
from integrations.moving.records import columns_for, connection_columns, secrets_of
from integrations.moving.targets import Heads, Made, Record, Targets
from integrations.tokens import lease
from sealing import seal

BATCH = 100
_KINDS = {"partner": "partners", "integration": "integrations", "credential": "credentials"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """What a restore is told. slugs, partner_names: the bundle's name -> the one here."""

    actor: Actor
    slugs: Mapping[str, str] = field(default_factory=dict)
    partner_names: Mapping[str, str] = field(default_factory=dict)
    on_conflict: OnConflict = OnConflict.SKIP
    is_dry_run: bool = False


def restore(
    reader: BundleReader,
    asked: Restoring,
    *,
    refused: Callable[[Refusal], None],
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Report, Made]:
    """Restore what is not here yet, under this installation's keys; running it again finds it already there.

    No event is written: to the partner nothing has happened. Raises Damaged before anything is written when
    the bundle is not whole, and CannotRestore when something that it needs is missing here.
    """
    heads = _verified(reader)
    targets = Targets(heads, partner_names=asked.partner_names, slugs=asked.slugs, actor=asked.actor)
    if asked.is_dry_run:
        targets.foresee()
    else:
        with transaction.atomic():
            targets.make()
    report, restorer = Report(), _Restorer(targets, asked)
    connections = ((n, r) for n, r in enumerate(reader.records(), start=1) if r.get("kind") == "connection")
    try:
        for batch in _batches(connections):
            for number, outcome in restorer.take(batch):
                if isinstance(outcome, InvalidInput):
                    report.refused += 1
                    refused(Refusal(number, outcome.field, str(outcome)))
                else:
                    report.count(outcome.slug, outcome.outcome)
                    report.numbers_not_kept += outcome.is_number_new
                    report.without_refresh_token += outcome.lacks_refresh_token
                progress(number)
    finally:
        if not asked.is_dry_run:
            _record(report, targets, asked)
    return report, targets.made


def _verified(reader: BundleReader) -> Heads:
    """Read all of it once: every part is authentic, the end is there, and the count is right."""
    heads, connections, end = Heads(), 0, None
    for record in reader.records():
        kind = record.get("kind")
        if end is not None:
            raise Damaged("The bundle goes on after its end.")
        if kind in _KINDS:
            getattr(heads, _KINDS[kind]).append(record)
        elif kind == "connection":
            connections += 1
        elif kind == "end":
            end = record
        elif kind != "bundle":
            raise Damaged("The bundle holds a kind of record that this version does not know.")
    if end is None or end.get("connections") != connections:
        raise Damaged("The bundle does not hold as many connections as it should.")
    return heads


def _batches(records: Iterator[tuple[int, Record]]) -> Iterator[list[tuple[int, Record]]]:
    while batch := list(islice(records, BATCH)):
        yield batch


@dataclass(frozen=True, slots=True)
class _Restored:
    slug: str
    outcome: Outcome
    is_number_new: bool = False
    lacks_refresh_token: bool = False


class _Restorer:
    def __init__(self, targets: Targets, asked: Restoring) -> None:
        self._targets, self._asked = targets, asked

    def take(self, batch: list[tuple[int, Record]]) -> list[tuple[int, _Restored | InvalidInput]]:
        """A batch in one transaction; one by one when something else wrote the same rows meanwhile."""
        if self._asked.is_dry_run:
            return [(number, self._judged(record, is_written=False)) for number, record in batch]
        try:
            with transaction.atomic():
                return [(number, self._judged(record)) for number, record in batch]
        except IntegrityError:
            return [(number, self._alone(record)) for number, record in batch]

    def _alone(self, record: Record) -> _Restored | InvalidInput:
        try:
            with transaction.atomic():
                return self._judged(record)
        except IntegrityError:
            return InvalidInput("UUID", "Something else made it at the same moment; run it again.")

    def _judged(self, record: Record, *, is_written: bool = True) -> _Restored | InvalidInput:
        """InvalidInput is returned, not raised: it comes before any write and must not undo the batch."""
        try:
            return self._restore(record, is_written=is_written)
        except InvalidInput as error:
            return error

    def _restore(self, record: Record, *, is_written: bool) -> _Restored:
        slug = record["integration"]
        partner = self._targets.partners.get(record["partner"])
        existing = Connection.objects.select_related("customer").filter(pk=UUID(record["id"])).first()
        outcome = self._outcome(record, partner, existing)
        if is_written and outcome == Outcome.ADOPTED:
            assert partner is not None
            self._make(record, partner)
        elif is_written and outcome == Outcome.REPLACED:
            assert existing is not None
            self._replace(record, existing)
        is_new = outcome == Outcome.ADOPTED
        return _Restored(
            self._targets.integrations[slug].slug if slug in self._targets.integrations else slug,
            outcome,
            is_number_new=is_new and not self._has_number(record, is_written=is_written),
            lacks_refresh_token=is_new and "refresh_token" not in record["secrets"],
        )

    def _has_number(self, record: Record, *, is_written: bool) -> bool:
        number = record["number"]
        if number is None:
            return True
        taken = ConnectionNumber.objects.filter(pk=number)
        return taken.filter(connection_id=UUID(record["id"])).exists() if is_written else not taken.exists()

    def _outcome(self, record: Record, partner: Partner | None, existing: Connection | None) -> Outcome:
        """Raises InvalidInput where another connection stands against it."""
        if record["client"] is not None and not self._targets.has_client(record):
            raise InvalidInput("client", "Its client was added to the integration during the export.")
        integration = self._targets.integrations.get(record["integration"])
        digest = identifiers.digest(record["customer"]["foreign_identifier"])
        if existing is not None:
            is_same = (
                partner is not None
                and integration is not None
                and (existing.partner_id, existing.integration_id, existing.customer.identifier_sha256)
                == (partner.pk, integration.pk, digest)
            )
            if not is_same:
                raise InvalidInput("UUID", "Another connection has this UUID here.")
            # A tombstone stays one: what was ended here does not come back by a restore.
            return (
                Outcome.ALREADY_THERE
                if existing.status == Status.DISCONNECTED
                else settle(self._asked.on_conflict)
            )
        if partner is not None and integration is not None:
            rivals = Connection.objects.living().filter(
                customer__partner=partner,
                customer__identifier_sha256=digest,
                integration=integration,
                name=record["columns"]["name"],
            )
            rival = rivals.first()
            if rival is not None:
                raise InvalidInput(
                    "userForeignIdentifier",
                    f"This customer has a connection of that name here, of another UUID ({rival.pk}): disconnect it, "
                    "or leave it in place of the one in the bundle.",
                )
        return Outcome.ADOPTED

    def _columns(self, record: Record) -> dict[str, Any]:
        columns = connection_columns(record)
        columns["next_refresh_at"] = first_refresh(
            columns.get("next_refresh_at"),
            expires_at=columns.get("access_token_expires_at"),
            now=timezone.now(),
        )
        client_id = record["client"]
        client = None if client_id is None else self._targets.clients[record["integration"], client_id]
        return {**columns, "client": client}

    def _make(self, record: Record, partner: Partner) -> None:
        columns = self._columns(record)
        connection = Connection(
            pk=UUID(record["id"]),
            partner=partner,
            customer=self._customer(record, partner),
            integration=self._targets.integrations[record["integration"]],
            **columns,
            **secrets_of(record),  # sealed for this row, under the keys of this installation, as it is saved
        )
        connection.save(force_insert=True)
        times = {name: columns[name] for name in ("created_at", "updated_at")}
        Connection.objects.filter(pk=connection.pk).update(**times)
        keep_number(connection, record["number"])
        self._tell(connection, Outcome.ADOPTED)

    def _customer(self, record: Record, partner: Partner) -> Customer:
        carried = record["customer"]
        digest = identifiers.digest(carried["foreign_identifier"])
        found = Customer.objects.filter(partner=partner, identifier_sha256=digest).first()
        if found is not None:
            return found
        made = Customer(partner=partner, **columns_for(Customer, carried))
        if not Customer.objects.filter(pk=UUID(carried["id"])).exists():
            made.pk = UUID(carried["id"])
        made.save(force_insert=True)
        Customer.objects.filter(pk=made.pk).update(created_at=columns_for(Customer, carried)["created_at"])
        return made

    def _replace(self, record: Record, existing: Connection) -> None:
        columns = self._columns(record)
        columns["token_version"] = max(existing.token_version, columns["token_version"]) + 1
        sealed = {
            name: seal(secret, model=Connection, field=name, pk=existing.pk)
            for name, secret in secrets_of(record).items()
        }
        free = Connection.objects.filter(
            lease.is_free(), pk=existing.pk, token_version=existing.token_version
        )
        if not free.update(**columns, **{"access_token": None, "refresh_token": None} | sealed):
            raise InvalidInput("UUID", "The connection is being refreshed just now; run it again.")
        existing.refresh_from_db()
        self._tell(existing, Outcome.REPLACED)

    def _tell(self, connection: Connection, outcome: Outcome) -> None:
        audit.record(
            "connection.restored",
            connection,
            actor=self._asked.actor,
            changes={"status": connection.status, "outcome": outcome.value},
        )


def _record(report: Report, targets: Targets, asked: Restoring) -> None:
    """One entry for each integration: who restored how many."""
    for integration in {row.pk: row for row in targets.integrations.values()}.values():
        counts = report.by_integration.get(integration.slug, Counter())
        changes = {"format": "bundle", "operator": operator(), **counts}
        audit.record("connections.imported", integration, actor=asked.actor, changes=changes)
