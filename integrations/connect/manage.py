"""The customer's own page: what is connected, what used it, and how to stop it."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit, credentials, customers, identifiers
from accounts.audit import Actor
from accounts.models import Partner
from integrations import catalogue, connections
from integrations.catalogue import Provider
from integrations.connect.activity import Activity, activity_of
from integrations.connect.links import MIN_SECONDS
from integrations.connect.reconnect import link_for, path_of
from integrations.errors import ConnectionNotFound, InvalidInput, LinkUnusable, NotFound
from integrations.models import Connection, ManageLink


@dataclass(frozen=True, slots=True)
class ManageEntry:
    """One connection on the customer's page. activity: None where nothing is known of it."""

    connection: Connection
    provider: Provider
    integration_name: str
    status: str
    reason_sentence: str
    account_name: str
    account_url: str
    connected_at: datetime | None
    last_used_at: datetime | None
    missing_scopes: tuple[str, ...]
    activity: Activity | None


def create_manage_link(
    partner: Partner, foreign_identifier: str, *, actor: Actor, expires_in_seconds: int | None = None
) -> tuple[ManageLink, str]:
    """(link, URL). Raises InvalidInput, identifiers.InvalidIdentifier, NotFound where there is no such customer."""
    seconds = settings.CONNECT_LINK_SECONDS if expires_in_seconds is None else expires_in_seconds
    if not MIN_SECONDS <= seconds <= settings.CONNECT_LINK_MAX_SECONDS:
        limits = f"{MIN_SECONDS} to {settings.CONNECT_LINK_MAX_SECONDS}"
        raise InvalidInput("expiresInSeconds", f"A number of seconds from {limits} is needed.")
    customer = customers.find(partner, identifiers.check_identifier(foreign_identifier))
    if customer is None:
        raise NotFound("No such customer.")
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        link = ManageLink.objects.create(
            token_sha256=credentials.sha256(token),
            partner=partner,
            customer=customer,
            expires_at=timezone.now() + timedelta(seconds=seconds),
        )
        audit.record("manage_link.created", link, actor=actor)
    return link, f"{settings.PUBLIC_URL}/manage/{token}"


def find_manage_link(token: str) -> ManageLink:
    """The living manage link of a token. Raises NotFound, LinkUnusable."""
    found = (
        ManageLink.objects.select_related("customer", "partner")
        .filter(token_sha256=credentials.sha256(token[:200]))
        .first()
    )
    if found is None:
        raise NotFound("No such link.")
    if found.expires_at <= timezone.now() or not found.partner.is_active:
        raise LinkUnusable("expired")
    return found


def manage_entries(link: ManageLink) -> tuple[ManageEntry, ...]:
    """The customer's connections, oldest first; without those whose provider left the catalogue."""
    known = [provider.id for provider in catalogue.all_providers()]
    rows = Connection.objects.listed().select_related("integration", "customer", "partner")
    own = rows.prefetch_related("integration__scopes").filter(
        customer=link.customer, integration__provider_id__in=known
    )
    listed = list(own.order_by("created_at"))
    activity = activity_of([row.pk for row in listed])
    return tuple(_entry(row, activity.get(row.pk)) for row in listed)


def _entry(connection: Connection, activity: Activity | None) -> ManageEntry:
    """The last use is the later of what the connection notes every ten minutes and what its calls tell."""
    last_used = (connection.last_used_at, activity.last_at if activity else None)
    provider = connection.integration.provider
    known = {scope: provider.scope_by_name(scope) for scope in connection.missing_scopes}
    return ManageEntry(
        connection=connection,
        provider=provider,
        integration_name=connection.integration.name,
        status=connection.status,
        reason_sentence=connection.reason_sentence,
        account_name=connection.provider_account_name or connection.provider_account_id,
        account_url=connection.provider_account_url,
        connected_at=connection.connected_at,
        last_used_at=max((moment for moment in last_used if moment), default=None),
        missing_scopes=tuple(scope.meaning if scope else name for name, scope in known.items()),
        activity=activity,
    )


def manage_act(link: ManageLink, connection_id: uuid.UUID, action: str) -> uuid.UUID | None:
    """pause, resume or disconnect; for the last the id of the revocation to carry out. Raises ConnectionNotFound."""
    connection = _own(link, connection_id)
    actor = Actor.customer(link.customer)
    if action == "disconnect":
        return connections.disconnect(connection, actor=actor)
    if action == "pause":
        connections.pause(connection, actor=actor)
    elif action == "resume":
        connections.resume(connection, actor=actor)
    else:
        raise InvalidInput("action", "pause, resume or disconnect is needed.")
    return None


def manage_reconnect(link: ManageLink, connection_id: uuid.UUID) -> str:
    """The path of a fresh connect link for one of the customer's connections."""
    connection = _own(link, connection_id)
    return path_of(link_for(connection, actor=Actor.customer(link.customer)))


def _own(link: ManageLink, connection_id: uuid.UUID) -> Connection:
    found = Connection.objects.listed().select_related("integration", "customer", "partner")
    connection = found.filter(pk=connection_id, customer=link.customer).first()
    if connection is None:
        raise ConnectionNotFound("No such connection.")
    return connection
