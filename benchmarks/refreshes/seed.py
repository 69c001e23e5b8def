"""`python -m benchmarks.refreshes.seed N SANDBOX_URL`: N connections whose grants the sandbox knows; prints JSON.

None of them is due yet; `drive` says when.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import django

from benchmarks.refreshes.provider import CLIENT_ID, CLIENT_SECRET, HUB_ID, SCOPES, Control


def main() -> None:
    django.setup()
    count, control = int(sys.argv[1]), Control(sys.argv[2])
    app = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "scopes": SCOPES}
    control("POST", "/_control/apps", {**app, "redirectUrls": ["http://localhost:8000/oauth/bench/callback"]})
    _connect(count, control)
    control("PATCH", "/_control/behaviour", {"rotateRefreshTokens": True, "tokenDelaySeconds": 0.1})
    print(json.dumps({"connections": count}))


def _connect(count: int, control: Control) -> None:
    from django.db import transaction

    from accounts import customers
    from accounts.models import Partner
    from integrations.models import ClientCredentials, Connection, Integration
    from sealing import Secret

    partner = Partner.objects.create(name="Bench")
    integration = Integration.objects.create(slug="bench", provider_id="hubspot")
    client = ClientCredentials.objects.create(
        integration=integration, client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET)
    )
    with transaction.atomic():
        made = []
        for number in range(count):
            customer = customers.ensure(partner, f"customer-{number}")
            granted = control("POST", "/_control/grants", {"clientId": CLIENT_ID, "hubId": HUB_ID})
            made.append(_connection(partner, customer, integration, client, granted))
        Connection.objects.bulk_create(made, batch_size=200)


def _connection(partner: Any, customer: Any, integration: Any, client: Any, granted: dict[str, Any]) -> Any:
    from django.utils import timezone

    from integrations.models import Connection
    from sealing import Secret

    now = timezone.now()
    row = Connection(
        partner=partner,
        customer=customer,
        integration=integration,
        client=client,
        status="active",
        requested_scopes=SCOPES,
        granted_scopes=SCOPES,
        captured={"hub_id": str(HUB_ID)},
        provider_account_id=str(HUB_ID),
        is_identity_known=True,
        token_type="bearer",
        token_version=1,
        token_stored_at=now - timedelta(minutes=29),
        access_token_lifetime=1_800,
        access_token_expires_at=now + timedelta(minutes=1),
        next_refresh_at=now + timedelta(days=1),
        connected_at=now - timedelta(days=30),
        last_used_at=now,
    )
    row.access_token = Secret(granted["accessToken"])
    row.refresh_token = Secret(granted["refreshToken"])
    return row


if __name__ == "__main__":
    main()
