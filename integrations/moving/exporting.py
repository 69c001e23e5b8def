"""Writing a bundle: partners, integrations, credentials, then connections, then the count of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from accounts.models import Credential, Partner
from integrations.errors import IntegrationsError
from integrations.models import Connection, Integration
from integrations.models.connection import ConnectionQuerySet
from integrations.moving import handover, records
from integrations.moving.bundle import BundleKey, BundleWriter
from integrations.moving.importing import operator
from sealing import UnreadableSecret

#: more than that is no broken row but a lost key, and a bundle without those connections would be a trap
MOST_UNREADABLE = 1_000


class ExportFailed(IntegrationsError):
    """No bundle was made; str() is a sentence for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """What an export is told. None: of all partners, of all integrations."""

    actor: Actor
    partner: Partner | None = None
    integration: Integration | None = None
    with_integrations: bool = False
    with_api_keys: bool = False
    hands_over: bool = False

    def connections(self) -> ConnectionQuerySet:
        """What a bundle carries: all but tombstones and what was never connected."""
        rows = Connection.objects.listed()
        if self.partner is not None:
            rows = rows.filter(partner=self.partner)
        return rows if self.integration is None else rows.filter(integration=self.integration)


@dataclass(slots=True)
class ExportReport:
    """unreadable: ids of connections that were left out, since their tokens cannot be opened here."""

    connections: int = 0
    handed_over: int = 0
    partners: int = 0
    integrations: int = 0
    api_keys: int = 0
    unreadable: list[str] = field(default_factory=list)
    by_integration: Counter[str] = field(default_factory=Counter)


def export(stream: BinaryIO, key: BundleKey, asked: Exporting) -> ExportReport:
    """Write a whole bundle to stream. Raises ExportFailed, StillRefreshing and UnreadableSecret of a client.

    Whatever becomes of it, the audit trail tells who took how many. Memory does not grow with the connections.
    """
    writer, report = BundleWriter(stream, key), ExportReport()
    is_finished = False
    try:
        _write_heads(writer, asked, report)
        _write_connections(writer, asked, report)
        writer.write({"kind": "end", "connections": report.connections})
        writer.finish()
        is_finished = True
    finally:
        _record(asked, report, is_finished=is_finished)
    return report


def _write_heads(writer: BundleWriter, asked: Exporting, report: ExportReport) -> None:
    writer.write({"kind": "bundle", "exported_at": timezone.now().isoformat()})
    for partner in _partners(asked):
        writer.write(records.partner_record(partner))
        report.partners += 1
    for integration in _integrations(asked):
        writer.write(records.integration_record(integration, with_settings=asked.with_integrations))
        report.integrations += 1
    if asked.with_api_keys:
        live = Credential.objects.live(timezone.now()).filter(partner__in=_partners(asked))
        for credential in live.order_by("created_at").iterator():
            writer.write(records.credential_record(credential))
            report.api_keys += 1


def _partners(asked: Exporting) -> list[Partner]:
    """The chosen partner, else those that have a connection in the bundle or, with keys, all."""
    if asked.partner is not None:
        return [asked.partner]
    if asked.with_api_keys and asked.integration is None:
        return list(Partner.objects.order_by("created_at"))
    used = asked.connections().order_by().values("partner_id")
    return list(Partner.objects.filter(pk__in=used).order_by("created_at"))


def _integrations(asked: Exporting) -> list[Integration]:
    if asked.integration is not None:
        return [asked.integration]
    if asked.with_integrations and asked.partner is None:
        return list(Integration.objects.order_by("created_at"))
    used = asked.connections().order_by().values("integration_id")
    return list(Integration.objects.filter(pk__in=used).order_by("created_at"))


def _write_connections(writer: BundleWriter, asked: Exporting, report: ExportReport) -> None:
    known = {partner.pk for partner in _partners(asked)} | {made.pk for made in _integrations(asked)}

    def write(row: Connection) -> None:
        try:
            record = records.connection_record(row)
        except UnreadableSecret:
            _note_unreadable(row, report)
            raise
        if not {row.partner_id, row.integration_id} <= known:
            raise ExportFailed(
                "The first connection of a partner or an integration was just made; run it again."
            )
        writer.write(record)
        report.connections += 1
        report.by_integration[row.integration.slug] += 1

    if asked.hands_over:
        report.handed_over = handover.hand_over(asked.connections(), write, actor=asked.actor)
        if asked.connections().count() != report.connections + len(report.unreadable):
            raise ExportFailed("Connections were made or ended during the export; run it again.")
        return
    for batch in handover.batches(asked.connections()):
        for row in batch:
            try:
                write(row)
            except UnreadableSecret:
                continue


def _note_unreadable(row: Connection, report: ExportReport) -> None:
    if str(row.pk) not in report.unreadable:
        report.unreadable.append(str(row.pk))
    if len(report.unreadable) > MOST_UNREADABLE:
        raise ExportFailed(
            f"More than {MOST_UNREADABLE} connections cannot be read: a key is missing from FERNET_KEYS (doctor)."
        )


def _record(asked: Exporting, report: ExportReport, *, is_finished: bool) -> None:
    """One entry for each integration that was part of it."""
    changes: Mapping[str, Any] = {
        "operator": operator(),
        "finished": is_finished,
        "handed_over": asked.hands_over,
        "with_client_secrets": asked.with_integrations,
        "with_api_keys": asked.with_api_keys,
    }
    for integration in _integrations(asked):
        counted = {**changes, "connections": report.by_integration[integration.slug]}
        audit.record(
            "connections.exported", integration, actor=asked.actor, partner=asked.partner, changes=counted
        )
