"""Which integrations a credential may use: staff's decision, written with its audit entry."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from accounts import audit
from accounts.audit import Actor
from accounts.models import Credential
from integrations.models import Integration, IntegrationGrant


def replace(credential: Credential, integrations: Iterable[Integration], *, actor: Actor) -> None:
    """Let a credential use exactly these integrations."""
    wanted = {integration.pk: integration for integration in integrations}
    with transaction.atomic():
        present = {
            grant.integration_id: grant.integration
            for grant in IntegrationGrant.objects.filter(credential=credential).select_related("integration")
        }
        added, removed = wanted.keys() - present.keys(), present.keys() - wanted.keys()
        IntegrationGrant.objects.filter(credential=credential, integration_id__in=removed).delete()
        IntegrationGrant.objects.bulk_create(
            IntegrationGrant(credential=credential, integration_id=pk) for pk in added
        )
        if added or removed:
            changes = {
                "added": sorted(wanted[pk].slug for pk in added),
                "removed": sorted(present[pk].slug for pk in removed),
            }
            audit.record("credential.integrations_changed", credential, actor=actor, changes=changes)
