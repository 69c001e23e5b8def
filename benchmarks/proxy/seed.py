"""`python -m benchmarks.proxy.seed N`: two partners on one integration, the first with N connections; JSON.

The tokens are really sealed and live for a day. Prints {"loud": …, "calm": …}, the partners' API keys.
"""

from __future__ import annotations

import hashlib
import json
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import django

_BATCH = 5_000
_LIFE = timedelta(days=1)


def main() -> None:
    django.setup()
    from accounts import credentials
    from accounts.audit import Actor
    from accounts.models import Partner
    from integrations.models import ClientCredentials, Integration, IntegrationGrant
    from sealing import Secret

    integration = Integration.objects.create(slug="bench", provider_id="hubspot")
    client = ClientCredentials.objects.create(
        integration=integration, client_id="bench-client", client_secret=Secret("bench-secret")
    )
    keys = {}
    for name, count in (("loud", int(sys.argv[1])), ("calm", 1)):
        partner = Partner.objects.create(name=name)
        new = credentials.create(partner, name="bench", actor=Actor.system("bench"), permissions=None)
        IntegrationGrant.objects.create(credential=new.credential, integration=integration)
        _connect(count, {"partner": partner.pk, "integration": integration.pk, "client": client.pk})
        keys[name] = new.api_key
    print(json.dumps(keys))


def _connect(count: int, ids: dict[str, Any]) -> None:
    """Customers `customer-0` and so on, a connection each."""
    from django.db import transaction
    from django.utils import timezone

    from accounts.models import Customer
    from benchmarks.million.tables import Table, settle, written_fast
    from integrations.models import Connection

    tables = Table(Customer), Table(Connection)
    with written_fast():
        for first in range(0, count, _BATCH):
            numbers = range(first, min(first + _BATCH, count))
            pairs = list(_rows(*tables, numbers, ids=ids, now=timezone.now()))
            with transaction.atomic():
                for table, rows in zip(tables, zip(*pairs, strict=True), strict=True):
                    table.write(rows)
    settle(list(tables))


def _rows(
    customers: Any, connections: Any, numbers: range, *, ids: dict[str, Any], now: datetime
) -> Iterator[tuple[Any, Any]]:
    from integrations.models import Connection
    from sealing import seal

    for number in numbers:
        customer_id, pk = uuid.uuid4(), uuid.uuid4()
        identifier = f"customer-{number}"
        yield (
            customers.row(
                id=customer_id,
                partner_id=ids["partner"],
                foreign_identifier=identifier,
                identifier_sha256=hashlib.sha256(identifier.encode()).hexdigest(),
                created_at=now,
            ),
            connections.row(
                id=pk,
                partner_id=ids["partner"],
                customer_id=customer_id,
                integration_id=ids["integration"],
                client_id=ids["client"],
                status="active",
                captured={"hub_id": "62515"},
                provider_account_id="62515",
                is_identity_known=True,
                access_token=seal(f"{number:08d}" + "t" * 172, model=Connection, field="access_token", pk=pk),
                refresh_token=seal(f"r-{number:08d}", model=Connection, field="refresh_token", pk=pk),
                token_type="bearer",
                access_token_lifetime=int(_LIFE.total_seconds()),
                access_token_expires_at=now + _LIFE,
                token_version=1,
                token_stored_at=now,
                next_refresh_at=now + _LIFE / 2,
                connected_at=now,
                last_used_at=now,
                created_at=now,
                updated_at=now,
            ),
        )


if __name__ == "__main__":
    main()
