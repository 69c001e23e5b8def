"""Claiming what is due: a batch of one provider's connections, for one worker alone (design rule 4).

A claim moves next_refresh_at ahead, so that nobody else finds the row due; what a killed worker had claimed is
due again when the claim has run out. Doubles are harmless all the same: the lease decides who refreshes.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts import audit
from accounts.audit import Actor
from integrations.catalogue import Provider, UnknownProvider
from integrations.models import ClientCredentials, Connection, Integration
from integrations.tokens import pacing, plan

log = structlog.get_logger(__name__)
_ACTOR = Actor.system("token refresh")

#: rows that one claim takes at most
BATCH = 100
#: how long a claim lasts: a lease (40 s), and the time that a batch may wait before
CLAIM = timedelta(seconds=90)
#: refreshes of one connection that may die with their process before it is left to people (OPS-05)
QUARANTINE_AFTER = 3


@dataclass(slots=True)
class Batch:
    """What one claim found.

    found counts all that were due. is_paced: the provider's pace allowed fewer than were asked for. refused:
    clients that the provider refuses, of each of which one connection was taken (REF-14). alone:
    connections whose last refresh may have killed its process; nothing must run beside them, so that the count
    falls on the one that does it.
    """

    found: int = 0
    is_paced: bool = False
    refused: set[UUID] = field(default_factory=set)
    ready: list[tuple[Connection, datetime]] = field(default_factory=list)
    alone: list[tuple[Connection, datetime]] = field(default_factory=list)


def waiting(now: datetime, *, without: Sequence[str] = ()) -> dict[str, list[Integration]]:
    """Integrations with anything due, by provider id, but those of some providers. One read of the index each."""
    due = Connection.objects.due(now).order_by().filter(integration=OuterRef("pk"))
    found: dict[str, list[Integration]] = {}
    for integration in Integration.objects.exclude(provider_id__in=without).filter(Exists(due)):
        try:
            provider_id = integration.provider.id
        except UnknownProvider:
            log.error(
                "nothing is refreshed, the provider is not in the catalogue", integration=integration.slug
            )
            continue
        found.setdefault(provider_id, []).append(integration)
    return found


def claim(
    provider: Provider,
    integrations: Sequence[Integration],
    *,
    limit: int,
    now: datetime,
    asked: Collection[UUID] = (),
) -> Batch:
    """Claim up to limit due connections of these integrations, as far as the provider's pace allows.

    asked: refused clients of which this run has taken a connection already.
    """
    per_second = pacing.rate(provider)
    clients = _clients(integrations)
    batch = Batch(refused={pk for pk, client in clients.items() if client.rejected_since is not None})
    with transaction.atomic():
        pace = pacing.locked(provider.id)
        allowed = min(limit, pacing.free_slots(pace, per_second=per_second, now=now))
        find = _probe_row if pace.failures >= pacing.TROUBLE_AFTER else _due_rows
        to_ask = batch.refused.difference(asked)
        rows = find(integrations, clients, to_ask, allowed=allowed, now=now)
        batch.found, batch.is_paced = len(rows), allowed < limit and len(rows) == allowed
        taken = _sorted_out(rows, provider, now)
        starts = pacing.reserve(pace, len(taken), per_second=per_second, now=now)
        Connection.objects.filter(pk__in=[row.pk for row in taken]).update(next_refresh_at=now + CLAIM)
    for row, start in zip(taken, starts, strict=True):
        row.next_refresh_at = now + CLAIM
        (batch.alone if row.unfinished_refreshes else batch.ready).append((row, start))
    return batch


def _clients(integrations: Sequence[Integration]) -> dict[UUID, ClientCredentials]:
    """The clients of these integrations, each with its integration attached."""
    by_id = {integration.pk: integration for integration in integrations}
    clients = {}
    for client in ClientCredentials.objects.filter(integration__in=by_id):
        client.integration = by_id[client.integration_id]
        clients[client.pk] = client
    return clients


def _due_rows(
    integrations: Sequence[Integration],
    clients: dict[UUID, ClientCredentials],
    to_ask: set[UUID],
    *,
    allowed: int,
    now: datetime,
) -> list[Connection]:
    """Due rows, earliest first, locked, with integration and client attached."""
    rows: list[Connection] = []
    for integration in integrations:
        for due, most in _queues(integration, clients, to_ask, now):
            if room := min(allowed - len(rows), most or allowed):
                rows += _locked(due, integration, clients, room)
    return rows


def _queues(
    integration: Integration, clients: dict[UUID, ClientCredentials], to_ask: set[UUID], now: datetime
) -> list[tuple[QuerySet[Connection], int | None]]:
    """What is due of an integration, and how many of it may be taken: of each refused client one, if any.

    An old client that is refused for ever must not hold up those of the current one.
    """
    due = Connection.objects.due(now).filter(integration=integration)
    own = {pk: client for pk, client in clients.items() if client.integration_id == integration.pk}
    refused = [pk for pk, client in own.items() if client.rejected_since is not None]
    if not refused:
        return [(due, None)]
    queues: list[tuple[QuerySet[Connection], int | None]] = [
        (due.filter(client=pk), 1) for pk in refused if pk in to_ask
    ]
    if len(refused) < len(own):  # else all that is due would be read to find nothing
        queues.append((due.exclude(client__in=refused), None))
    return queues


def _probe_row(
    integrations: Sequence[Integration],
    clients: dict[UUID, ClientCredentials],
    to_ask: set[UUID],
    *,
    allowed: int,
    now: datetime,
) -> list[Connection]:
    """One row of a provider in trouble, likely to succeed when it is over: one that has not failed before.

    From either end of the queue by turns of luck, so that many broken ones on one side do not keep it closed.
    """
    order = random.choice(["next_refresh_at", "-next_refresh_at"])  # noqa: S311 (spread, not secrecy)
    for fields in ({"refresh_failures": 0}, {}):
        for integration in random.sample(integrations, len(integrations)) if allowed else []:
            for due, _ in _queues(integration, clients, to_ask, now):
                if rows := _locked(due.filter(**fields).order_by(order), integration, clients, 1):
                    return rows
    return []


def _locked(
    due: QuerySet[Connection], integration: Integration, clients: dict[UUID, ClientCredentials], limit: int
) -> list[Connection]:
    rows = list(due.select_for_update(skip_locked=True, no_key=True)[:limit])
    for row in rows:
        row.integration = integration
        if row.client_id is not None:
            row.client = clients.get(row.client_id)
    return rows


def _sorted_out(rows: list[Connection], provider: Provider, now: datetime) -> list[Connection]:
    """Those to refresh; the others are moved to when they are due again, or put into quarantine."""
    taken, idle = [], []
    for row in rows:
        if row.unfinished_refreshes >= QUARANTINE_AFTER and _is_unleased(row, now):
            _quarantine(row, now)
        elif plan.is_used_lately(row, now) or plan.is_touch_due(row, provider.oauth, now):
            taken.append(row)
        else:
            assert row.token_stored_at is not None
            row.next_refresh_at = plan.next_touch(
                provider.oauth,
                stored_at=row.token_stored_at,
                refresh_token_seconds=row.refresh_token_lifetime,
            )
            idle.append(row)
    Connection.objects.bulk_update(idle, ["next_refresh_at"])
    return taken


def _is_unleased(row: Connection, now: datetime) -> bool:
    return row.lease_expires_at is None or row.lease_expires_at < now


def _quarantine(row: Connection, now: datetime) -> None:
    """The sweep leaves it alone; a use or a person may still refresh it, and what ends well lifts this."""
    Connection.objects.filter(pk=row.pk).update(next_refresh_at=None, refresh_quarantined_at=now)
    audit.record(
        "connection.refresh_quarantined",
        row,
        actor=_ACTOR,
        changes={"unfinished_refreshes": row.unfinished_refreshes},
    )
    log.error("refreshes of a connection end their process", connection=str(row.pk))


def give_back(rows: Sequence[Connection], *, now: datetime) -> None:
    """Make connections due again that were claimed and not begun, unless somebody has refreshed them since."""
    if rows:
        moments = {row.next_refresh_at for row in rows}
        claimed = Connection.objects.filter(pk__in=[row.pk for row in rows], next_refresh_at__in=moments)
        claimed.update(next_refresh_at=now)


def postpone(connection_id: UUID, *, token_version: int, until: datetime) -> None:
    """Leave a claimed connection until then, for a reason that says nothing about its grant."""
    Connection.objects.filter(pk=connection_id, token_version=token_version).update(next_refresh_at=until)
