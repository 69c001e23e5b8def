"""The account behind a connection: asked right after connecting, and again by a job when that failed (CAL-18)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.models.event import EventType
from integrations import provider_calls, states, tokens
from integrations.catalogue import TemplateError, UnknownProvider
from integrations.errors import IntegrationsError
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.provider_calls import Identity
from integrations.tokens.refresh import load
from sealing import UnreadableSecret

log = structlog.get_logger(__name__)
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=6)


def identity_columns(identity: Identity) -> dict[str, Any]:
    """The columns that an identity sets."""
    return {
        "provider_account_id": identity.account_id,
        "provider_account_name": identity.name[:255],
        "provider_account_url": identity.url[:2048],
        "provider_account_data": identity.extras,
        "is_identity_known": True,
    }


def store_identity(connection: Connection, identity: Identity) -> None:
    """Fill in what was not known at connect time and tell the partner."""
    with transaction.atomic():
        unknown = Connection.objects.living().filter(pk=connection.pk, is_identity_known=False)
        stored = unknown.update(updated_at=timezone.now(), **identity_columns(identity))
        if stored:
            rows = Connection.objects.filter(pk=connection.pk, status_reason="identity_unknown")
            rows.update(status_reason="", status_evidence="")
            states.tell(load(connection.pk), EventType.CONNECTION_UPDATED)


def complete_identity(connection: Connection) -> bool:
    """One more try for a connection whose account is not known; True when it is now."""
    connection = load(connection.pk)
    if connection.is_identity_known or connection.client is None or connection.status != Status.ACTIVE:
        return connection.is_identity_known
    if not _claim(connection):
        return False
    try:
        token = tokens.ensure_fresh(connection.pk)
        identity = provider_calls.identify(
            connection.integration.provider,
            client=tokens.client_authentication(connection.client),
            tokens={**tokens.open_tokens(connection), "access_token": token.secret.reveal()},
            values=connection.config_values(),
            bound_to=connection.provider_account_id,
        )
    except (IntegrationsError, UnreadableSecret, TemplateError, UnknownProvider) as error:
        evidence = getattr(error, "evidence", "") or type(error).__name__
        log.warning("account look-up failed", connection=str(connection.pk), evidence=evidence)
        return False
    if identity.accounts:
        # Which of them the customer means, nobody here can say; a reconnect asks.
        log.warning("the grant covers several accounts", connection=str(connection.pk))
        return False
    store_identity(connection, identity)
    return True


def due_for_identity(now: datetime) -> QuerySet[Connection]:
    """Connections whose account is to be asked now; each failure moves its own next try away (REF-24).

    disconnected_at tells nothing that the status does not, but the index over these rows asks for it.
    """
    is_due = Q(identity_next_try_at__isnull=True) | Q(identity_next_try_at__lte=now)
    return Connection.objects.filter(
        is_due,
        is_identity_known=False,
        status=Status.ACTIVE,
        connected_at__isnull=False,
        disconnected_at__isnull=True,
    ).order_by("identity_next_try_at")


def _claim(connection: Connection) -> bool:
    """Move the next try away before this one: whatever becomes of it, no other is begun meanwhile."""
    wait = min(_FIRST_WAIT * 2 ** min(connection.identity_tries, 10), _LONGEST_WAIT)
    untouched = Connection.objects.filter(pk=connection.pk, identity_tries=connection.identity_tries)
    return bool(
        untouched.update(identity_tries=F("identity_tries") + 1, identity_next_try_at=timezone.now() + wait)
    )
