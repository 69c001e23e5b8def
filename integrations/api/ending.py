"""Ending a connection for a caller: the row at once, the provider by a job."""

from __future__ import annotations

import uuid

import structlog
from django.db import transaction

from accounts.audit import Actor
from integrations import connections, tasks
from integrations.models import Connection

log = structlog.get_logger(__name__)


def end(connection: Connection, *, actor: Actor) -> None:
    """Disconnect, and have the revocation carried out soon. Raises ConnectionNotFound."""
    revocation_id = connections.disconnect(connection, actor=actor)
    if revocation_id is not None:
        transaction.on_commit(lambda: _enqueue(revocation_id))


def _enqueue(revocation_id: uuid.UUID) -> None:
    """A broker that is down delays the revocation until beat finds its row (design rule 11); the call is done."""
    try:
        tasks.carry_out_revocation.apply_async(args=(str(revocation_id),), retry=False)
    except Exception as error:  # noqa: BLE001 (whatever the broker raises, the connection has ended)
        log.warning("revocation not queued, beat will find it", error=type(error).__name__)
