"""The account behind a connection: asked right after connecting, and again by a job when that failed (CAL-18)."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor
from accounts.models.event import EventType
from integrations import provider_calls, states, tokens
from integrations.errors import IntegrationsError, ProviderError
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.provider_calls import Identity
from integrations.tokens.refresh import load
from sealing import UnreadableSecret

log = structlog.get_logger(__name__)
ACTOR = Actor.system("account look-up")


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
    try:
        token = tokens.ensure_fresh(connection.pk)
        identity = provider_calls.identify(
            connection.integration.provider,
            client=tokens.client_authentication(connection.client),
            tokens={**tokens.open_tokens(connection), "access_token": token.secret.reveal()},
            values=connection.config_values(),
        )
    except ProviderError as error:
        log.warning("account look-up failed", connection=str(connection.pk), evidence=error.evidence)
        return False
    except (IntegrationsError, UnreadableSecret) as error:
        log.warning("account look-up failed", connection=str(connection.pk), error=type(error).__name__)
        return False
    store_identity(connection, identity)
    return True
