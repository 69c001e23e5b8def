"""Partners, credentials and integrations that the connections belong to; made once, found again later."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts import credentials
from accounts.audit import Actor
from accounts.models import Partner
from benchmarks.million.shape import INTEGRATIONS, PARTNERS
from integrations.models import ClientCredentials, Integration, IntegrationGrant, IntegrationScope
from sealing import Secret

_SCOPES = ("crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read")


def ensure() -> dict[str, Any]:
    """{"now", "partners", "integrations", "clients", "api_key", "credential"}, all text; ids in their order."""
    kept = settings.DATA_DIR / "places.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    partners = [Partner.objects.create(name=f"Partner {number}") for number in range(PARTNERS)]
    integrations = [
        Integration.objects.create(slug=slug, provider_id=provider) for provider, slug, _ in INTEGRATIONS
    ]
    clients = [_client(integration) for integration in integrations]
    keys = [
        credentials.create(partner, name="bench", actor=Actor.system("bench"), permissions=None)
        for partner in partners
    ]
    for new in keys:
        for integration in integrations:
            IntegrationGrant.objects.create(credential=new.credential, integration=integration)
    made = {
        "now": timezone.now().isoformat(),
        "partners": [str(partner.pk) for partner in partners],
        "integrations": [str(integration.pk) for integration in integrations],
        "clients": [str(client.pk) for client in clients],
        "api_key": keys[0].api_key,
        "credential": str(keys[0].credential.pk),
    }
    kept.touch(mode=0o600)
    kept.write_text(json.dumps(made))
    return made


def _client(integration: Integration) -> ClientCredentials:
    for scope in _SCOPES:
        IntegrationScope.objects.create(integration=integration, scope=scope)
    return ClientCredentials.objects.create(
        integration=integration,
        client_id=f"client-of-{integration.slug}",
        client_secret=Secret(f"secret-of-{integration.slug}"),
    )
