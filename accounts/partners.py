"""Making and changing partners, and what staff may change of a credential; each change with its audit entry."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models, transaction

from accounts import audit
from accounts.models import Credential, Partner

PARTNER_FIELDS = ("name", "allowed_return_origins", "requests_per_minute", "is_active")


def create(
    *,
    name: str,
    actor: audit.Actor,
    allowed_return_origins: list[str] | None = None,
    requests_per_minute: int | None = None,
    is_active: bool = True,
    pk: uuid.UUID | None = None,
) -> Partner:
    """Make a partner. Raises django's ValidationError, keyed by field, before anything is written."""
    partner = Partner(
        pk=pk or uuid.uuid4(),
        name=name,
        allowed_return_origins=allowed_return_origins or [],
        requests_per_minute=requests_per_minute,
        is_active=is_active,
    )
    partner.full_clean()
    with transaction.atomic():
        partner.save(force_insert=True)
        changes = {field: getattr(partner, field) for field in PARTNER_FIELDS}
        audit.record("partner.created", partner, actor=actor, partner=partner, changes=changes)
    return partner


def update(partner: Partner, *, actor: audit.Actor, **values: Any) -> Partner:
    """Change the given PARTNER_FIELDS where they differ; returns the row as it is now."""
    with transaction.atomic():
        row = Partner.objects.select_for_update().get(pk=partner.pk)
        changes = _change(row, values, allowed=PARTNER_FIELDS, also=["updated_at"])
        if changes:
            audit.record("partner.updated", row, actor=actor, partner=row, changes=changes)
    return row


def update_credential(
    credential: Credential,
    *,
    actor: audit.Actor,
    name: str,
    permissions: list[str],
    expires_at: datetime | None,
) -> Credential:
    """Change what may be changed of a credential; its secrets and its partner never do."""
    values = {"name": name, "permissions": permissions, "expires_at": expires_at}
    with transaction.atomic():
        row = Credential.objects.select_for_update().get(pk=credential.pk)
        changes = _change(row, values, allowed=tuple(values), also=[])
        if changes:
            audit.record("credential.updated", row, actor=actor, changes=changes)
    return row


def _change(
    row: models.Model, values: dict[str, Any], *, allowed: tuple[str, ...], also: list[str]
) -> dict[str, Any]:
    """Set what differs and save it; the changes by name, as [before, after] in plain values."""
    unknown = set(values) - set(allowed)
    if unknown:
        raise TypeError(f"not to be changed: {', '.join(sorted(unknown))}")
    changes = {
        name: [_plain(getattr(row, name)), _plain(value)]
        for name, value in values.items()
        if getattr(row, name) != value
    }
    for name in changes:
        setattr(row, name, values[name])
    if changes:
        row.full_clean()
        row.save(update_fields=[*changes, *also])
    return changes


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
