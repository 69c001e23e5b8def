"""Rows as records of a bundle, and back. A record holds secrets in clear: it lives in memory only.

Columns are carried by name unless they are listed here as left behind, so that a new column travels without being
thought of; one that the reading installation does not have is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models

from accounts.models import Credential, Partner
from integrations.models import ClientCredentials, Connection, Integration
from integrations.models.connection import Status
from sealing import Secret
from sealing.fields import SealedField

#: what begins the evidence of a connection that was handed over to another installation
HANDED_OVER = "Handed over to another installation by export_connections"
#: true of one installation at one moment alone
NOT_CARRIED = (
    "lease_owner",
    "lease_expires_at",
    "refresh_not_before",
    "refresh_failures",
    "unknown_refusals",
    "unfinished_refreshes",
    "refresh_quarantined_at",
    "identity_tries",
    "identity_next_try_at",
)
_CUSTOMER_COLUMNS = ("foreign_identifier", "display_name", "email", "created_at")
_TOKENS = ("access_token", "refresh_token")
_CLIENT_SECRETS = ("client_secret", "next_client_secret")


def columns_of(row: models.Model, *, left: Collection[str] = ()) -> dict[str, Any]:
    """The plain columns of a row by name: neither its key, nor relations, nor what is sealed."""
    return {
        field.name: _plain(getattr(row, field.attname))
        for field in row._meta.concrete_fields
        if _is_carried(field) and field.name not in left
    }


def columns_for(
    model: type[models.Model], carried: Mapping[str, Any], *, left: Collection[str] = ()
) -> dict[str, Any]:
    """Carried columns as this installation's model takes them."""
    return {
        field.name: field.to_python(carried[field.name])
        for field in model._meta.concrete_fields
        if _is_carried(field) and field.name not in left and field.name in carried
    }


def _is_carried(field: Any) -> bool:
    return not (field.primary_key or field.is_relation or isinstance(field, SealedField))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def partner_record(partner: Partner) -> dict[str, Any]:
    return {"kind": "partner", "id": str(partner.pk), "columns": columns_of(partner)}


def integration_record(integration: Integration, *, with_settings: bool) -> dict[str, Any]:
    """An integration by its slug and clients; with_settings: also all that is needed to make it anew."""
    clients = list(integration.clients.order_by("created_at"))
    record: dict[str, Any] = {
        "kind": "integration",
        "slug": integration.slug,
        "provider": integration.provider_id,
        "clients": [_client_record(client, with_secrets=with_settings) for client in clients],
    }
    if with_settings:
        record["columns"] = columns_of(integration)
        record["scopes"] = [[row.scope, row.is_optional] for row in integration.scopes.all()]
    return record


def _client_record(client: ClientCredentials, *, with_secrets: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "client_id": client.client_id,
        "app_id": client.app_id,
        "is_current": client.is_current,
    }
    if with_secrets:
        record["secrets"] = _revealed(client, _CLIENT_SECRETS)
    return record


def credential_record(credential: Credential) -> dict[str, Any]:
    """What a partner calls with: digests, which its keys go on fitting (contract section 2)."""
    return {
        "kind": "credential",
        "id": str(credential.pk),
        "partner": str(credential.partner_id),
        "columns": columns_of(credential),
        "integrations": sorted(credential.integration_grants.values_list("integration__slug", flat=True)),
    }


def connection_record(connection: Connection) -> dict[str, Any]:
    """A connection with its customer and its tokens. Raises UnreadableSecret."""
    columns = columns_of(connection, left=NOT_CARRIED)
    if is_handed_over(connection):  # an export that was begun before: the pause is ours, not the connection's
        columns |= {
            "status": connection.status_before_pause,
            "status_reason": connection.reason_before_pause,
            "status_evidence": "",
            "status_before_pause": "",
            "reason_before_pause": "",
        }
    customer = connection.customer
    return {
        "kind": "connection",
        "id": str(connection.pk),
        "number": connection.number.pk if hasattr(connection, "number") else None,
        "partner": str(connection.partner_id),
        "integration": connection.integration.slug,
        "client": connection.client.client_id if connection.client is not None else None,
        "customer": {
            "id": str(customer.pk),
            **{name: _plain(getattr(customer, name)) for name in _CUSTOMER_COLUMNS},
        },
        "columns": columns,
        "secrets": _revealed(connection, _TOKENS),
    }


def is_handed_over(connection: Connection) -> bool:
    return connection.status == Status.PAUSED and connection.status_evidence.startswith(HANDED_OVER)


def _revealed(row: models.Model, names: Collection[str]) -> dict[str, str]:
    sealed = {name: getattr(row, name) for name in names}
    return {name: value.open().reveal() for name, value in sealed.items() if value is not None}


def secrets_of(record: Mapping[str, Any]) -> dict[str, Secret]:
    """The secrets of a record, masked again."""
    return {name: Secret(value) for name, value in record.get("secrets", {}).items()}


def connection_columns(record: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a connection's record as this installation takes them."""
    return columns_for(Connection, record["columns"], left=NOT_CARRIED)
