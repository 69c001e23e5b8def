"""Which integrations a credential may use. What it may not use does not exist for it."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import Credential
from integrations import catalogue
from integrations.errors import NotFound
from integrations.models import Integration


def integrations_of(credential: Credential) -> QuerySet[Integration]:
    """The enabled integrations that staff granted to the credential.

    One whose provider left the catalogue can do nothing, and must not spoil the list of the others.
    """
    known = [provider.id for provider in catalogue.all_providers()]
    return Integration.objects.filter(grants__credential=credential, is_enabled=True, provider_id__in=known)


def integration_for(credential: Credential, slug: str) -> Integration:
    """The credential's integration of that slug. Raises NotFound for unknown and foreign ones alike."""
    found = integrations_of(credential).filter(slug=slug[:64]).first() if "\x00" not in slug else None
    if found is None:
        raise NotFound("No such integration.")
    return found
