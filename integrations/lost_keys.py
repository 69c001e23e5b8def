"""A key that is lost for good: what it sealed is given up, by an operator's decision alone.

By itself an unreadable secret changes no status (design rule 1): a key can be put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction

from accounts import audit
from accounts.audit import Actor
from integrations import states
from integrations.models import ClientCredentials, Connection
from integrations.models.connection import USABLE, Status
from sealing import Sealed, health

ACTOR = Actor.system("lost key")
REASON = "unreadable_secret"
_HOLDING = (Status.ACTIVE, Status.REFRESH_FAILING, Status.PAUSED, Status.RECONNECT_REQUIRED)
_BATCH = 500


@dataclass
class Loss:
    """What is given up. reconnect: customers who have to connect again; clients: "slug (client id)" to enter anew."""

    looked_at: int = 0
    reconnect: int = 0
    clients: list[str] = field(default_factory=list)


def measure() -> Loss:
    """What accept() would give up; reads only."""
    return _walk(gives_up=False)


def accept() -> Loss:
    """Ask the customers whose tokens no key opens to connect again, and take the newest key for the right one.

    Their unreadable tokens are deleted; client secrets stay, told as unreadable until they are entered anew. May be
    interrupted and run again: the canary, which lets workers start, comes last.
    """
    loss = _walk(gives_up=True)
    if not health.keys_are_well()[0]:
        health.renew_canary(DEFAULT_DB_ALIAS)
    return loss


def _walk(*, gives_up: bool) -> Loss:
    loss = Loss(clients=list(_lost_clients()))
    for connection in _connections():
        loss.looked_at += 1
        if not _is_lost(connection):
            continue
        loss.reconnect += 1
        if gives_up:
            _give_up(connection)
    return loss


def _lost_clients() -> Iterator[str]:
    rows = ClientCredentials.objects.filter(is_current=True).select_related("integration")
    for client in rows.order_by("integration__slug"):
        if _is_unreadable(client.client_secret) or _is_unreadable(client.next_client_secret):
            yield f"{client.integration.slug} ({client.client_id})"


def _connections() -> Iterator[Connection]:
    rows = Connection.objects.filter(status__in=_HOLDING).select_related("client").order_by("pk")
    batch = list(rows[:_BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:_BATCH])


def _is_lost(connection: Connection) -> bool:
    """Not where the refresh token opens: it brings a new access token when that is due."""
    client = connection.client
    if client is not None and not client.is_current and _is_unreadable(client.client_secret):
        return True  # nobody can enter the secret of a client that was replaced
    kept = connection.refresh_token or connection.access_token
    return _is_unreadable(kept)


def _is_unreadable(sealed: Sealed | None) -> bool:
    return sealed is not None and not sealed.is_readable()


def _give_up(connection: Connection) -> None:
    """Only while the row holds the tokens that were looked at: a reconnect meanwhile is kept."""
    unchanged = {"token_version": connection.token_version, "status": connection.status}
    gone: dict[str, Any] = {
        "access_token": None,
        "refresh_token": None,
        "next_refresh_at": None,
        "token_version": connection.token_version + 1,
    }
    if connection.status in USABLE:
        evidence = "An operator has given up the key that had sealed the tokens."
        states.change(
            connection.pk,
            to=Status.RECONNECT_REQUIRED,
            actor=ACTOR,
            reason=REASON,
            evidence=evidence,
            only_if=unchanged,
            also=gone,
        )
        return
    if connection.status == Status.PAUSED:
        gone |= {"status_before_pause": Status.RECONNECT_REQUIRED, "reason_before_pause": REASON}
    with transaction.atomic():
        if Connection.objects.filter(pk=connection.pk, **unchanged).update(**gone):
            audit.record("connection.tokens_given_up", connection, actor=ACTOR, changes={"reason": REASON})
