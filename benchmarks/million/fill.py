"""`python -m benchmarks.million.fill N`: bring an installation's database to N connections; prints JSON.

Every token is really sealed, for its row and column; processes share the work and one writes. At most a few
batches are in memory at a time.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import django

from benchmarks.million.shape import Drawn, customer_pk, draw

BATCH = 5_000
Batch = dict[str, list[tuple[Any, ...]]]


def main() -> None:
    django.setup()
    from benchmarks.million import places
    from integrations.models import Connection

    wanted = int(sys.argv[1])
    started = time.perf_counter()
    world = places.ensure()
    present = Connection.objects.count()
    if wanted > present:
        _fill(world, present, wanted)
    seconds = time.perf_counter() - started
    print(
        json.dumps(
            {"connections": Connection.objects.count(), "seconds": round(seconds, 1), "bytes": _size()}
        )
    )


def _fill(world: dict[str, Any], first: int, end: int) -> None:
    from django.db import transaction

    from benchmarks.million.tables import settle, without_indexes, written_fast

    tables = _tables()
    started = time.perf_counter()
    done = 0
    with written_fast(), without_indexes(list(tables.values())):
        for batch in _batches(world, first, end):
            with transaction.atomic():
                for name, rows in batch.items():
                    tables[name].write(rows)
            done += len(batch["connection"])
            rate = done / (time.perf_counter() - started)
            if done % (20 * BATCH) == 0 or done == end - first:
                print(
                    f"   {first + done:,} of {end:,} connections, {rate:,.0f}/s", file=sys.stderr, flush=True
                )
    settle(list(tables.values()))


def _batches(world: dict[str, Any], first: int, end: int) -> Iterator[Batch]:
    """The batches in order, made by as many processes as there are cores; a few ahead of the writer."""
    workers = os.cpu_count() or 1
    starts = deque(range(first, end, BATCH))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=django.setup) as pool:
        waiting: deque[Future[Batch]] = deque()
        while starts or waiting:
            while starts and len(waiting) < 2 * workers:
                start = starts.popleft()
                waiting.append(pool.submit(build, world, start, min(start + BATCH, end)))
            yield waiting.popleft().result()


def _tables() -> dict[str, Any]:
    from accounts.models import Customer
    from benchmarks.million.tables import Table
    from integrations.models import Connection, ConnectionNumber, ConnectLink, PendingRevocation

    models = {
        "customer": Customer,
        "connection": Connection,
        "number": ConnectionNumber,
        "link": ConnectLink,
        "revocation": PendingRevocation,
    }
    return {name: Table(model) for name, model in models.items()}


def build(world: dict[str, Any], first: int, end: int) -> Batch:
    """The rows of connections first to end, and what belongs to them, ready for their tables."""
    tables = _tables()
    now = datetime.fromisoformat(world["now"])
    batch: Batch = {name: [] for name in tables}
    for number in range(first, end):
        drawn = draw(number, now)
        if number % 2 == 0:
            batch["customer"].append(_customer(tables["customer"], world, drawn))
        batch["connection"].append(_connection(tables["connection"], world, drawn))
        batch["number"].append(tables["number"].row(connection_id=drawn.pk))
        if drawn.status == "pending":
            batch["link"].append(_link(tables["link"], world, drawn, now))
        elif drawn.status == "disconnected" and number % 40 == 0:
            batch["revocation"].append(_revocation(tables["revocation"], world, drawn, now))
    return batch


def _customer(table: Any, world: dict[str, Any], drawn: Drawn) -> tuple[Any, ...]:
    identifier = f"tenant-{drawn.customer:08d}"
    return table.row(
        id=customer_pk(drawn.customer),
        partner_id=world["partners"][drawn.partner],
        foreign_identifier=identifier,
        identifier_sha256=hashlib.sha256(identifier.encode()).hexdigest(),
        display_name=f"Customer {drawn.customer}",
        created_at=drawn.created_at,
    )


def _connection(table: Any, world: dict[str, Any], drawn: Drawn) -> tuple[Any, ...]:
    scopes = list(drawn.scopes)
    return table.row(
        id=drawn.pk,
        partner_id=world["partners"][drawn.partner],
        customer_id=customer_pk(drawn.customer),
        integration_id=world["integrations"][drawn.integration],
        client_id=world["clients"][drawn.integration],
        status=drawn.status,
        status_reason=drawn.reason,
        captured={"hub_id": drawn.account_id} if drawn.account_id else {},
        provider_account_id=drawn.account_id,
        provider_account_name=f"Account {drawn.account_id}" if drawn.account_id else "",
        is_identity_known=drawn.is_identity_known,
        requested_scopes=scopes,
        granted_scopes=scopes if drawn.access_token else [],
        access_token=_sealed("access_token", drawn.access_token, drawn),
        refresh_token=_sealed("refresh_token", drawn.refresh_token, drawn),
        token_type="bearer",
        access_token_expires_at=drawn.expires_at,
        access_token_lifetime=1_800 if drawn.access_token else None,
        token_version=1 + drawn.number % 500 if drawn.access_token else 0,
        token_stored_at=drawn.stored_at,
        next_refresh_at=drawn.next_refresh_at,
        connected_at=drawn.created_at if drawn.status != "pending" else None,
        last_used_at=drawn.last_used_at,
        created_at=drawn.created_at,
        updated_at=drawn.stored_at or drawn.created_at,
    )


def _sealed(field: str, token: str | None, drawn: Drawn) -> Any:
    from integrations.models import Connection
    from sealing import seal

    return None if token is None else seal(token, model=Connection, field=field, pk=drawn.pk)


def _link(table: Any, world: dict[str, Any], drawn: Drawn, now: datetime) -> tuple[Any, ...]:
    """Every pending connection has a link; one in ten has ended long enough ago to be purged."""
    age = timedelta(days=2) if drawn.number % 10 == 0 else timedelta(minutes=-20)
    return table.row(
        id=drawn.pk,
        token_sha256=hashlib.sha256(str(drawn.pk).encode()).hexdigest(),
        partner_id=world["partners"][drawn.partner],
        integration_id=world["integrations"][drawn.integration],
        connection_id=drawn.pk,
        expires_at=now - age,
        created_at=now - age - timedelta(minutes=30),
    )


def _revocation(table: Any, world: dict[str, Any], drawn: Drawn, now: datetime) -> tuple[Any, ...]:
    """A thousand of a million are being revoked; one in five is due."""
    wait = timedelta(seconds=-30 if drawn.number % 200 == 0 else 600)
    return table.row(
        id=drawn.pk,
        connection_id=drawn.pk,
        client_id=world["clients"][drawn.integration],
        next_attempt_at=now + wait,
        give_up_at=now + timedelta(days=1),
        created_at=now,
    )


def _size() -> int:
    """Bytes of the database with its indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
