"""How a connection looks from outside: one shape for the API, for lists and for events (contract section 3)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core import signing

from integrations.models import Connection
from integrations.models.connection import Status

_RECONNECT_SALT = "integrations.reconnect"
#: whose grant needs the customer
_NEEDS_CUSTOMER = frozenset({Status.RECONNECT_REQUIRED, Status.PENDING})


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with a Z, or None."""
    return (
        None
        if moment is None
        else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def reconnect_url(connection: Connection) -> str:
    """A stateless signed URL that becomes a connect link when opened. Making it writes nothing."""
    signed = signing.dumps(connection.pk.hex, salt=_RECONNECT_SALT)
    return f"{settings.PUBLIC_URL}/reconnect/{signed}"


def connection_of_reconnect_url(signed: str) -> uuid.UUID | None:
    """The connection id of a signed reconnect URL, or None when the signature is not ours."""
    try:
        return uuid.UUID(hex=signing.loads(signed, salt=_RECONNECT_SALT))
    except (signing.BadSignature, ValueError, TypeError, AttributeError):
        return None


def connection_data(connection: Connection) -> dict[str, Any]:
    """The public JSON object of a connection; needs its integration and customer loaded."""
    data = {
        "UUID": str(connection.pk),
        "appSlug": connection.integration.slug,
        "provider": connection.integration.provider_id,
        "userForeignIdentifier": connection.customer.foreign_identifier,
        "connectionName": connection.name,
        "status": connection.status,
        "statusReason": _reason(connection),
        "providerAccount": _account(connection),
        "grantedScopes": connection.granted_scopes,
        "missingScopes": connection.missing_scopes,
        "createdAt": timestamp(connection.created_at),
        "updatedAt": timestamp(connection.updated_at),
        "lastUsedAt": timestamp(connection.last_used_at),
        "accessTokenExpiresAt": timestamp(connection.access_token_expires_at),
    }
    if connection.status in _NEEDS_CUSTOMER or connection.lacks_required_scopes:
        data["reconnectUrl"] = reconnect_url(connection)
    return data


def _reason(connection: Connection) -> dict[str, str] | None:
    if not connection.status_reason:
        return None
    return {"code": connection.status_reason, "message": connection.reason_sentence}


def _account(connection: Connection) -> dict[str, str | None] | None:
    if not connection.provider_account_id:
        return None
    return {
        "id": connection.provider_account_id,
        "name": connection.provider_account_name or None,
        "url": connection.provider_account_url or None,
    }
