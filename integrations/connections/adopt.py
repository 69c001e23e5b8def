"""Adopting tokens that another system holds, without asking the customer again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import IntegrityError, transaction
from django.db import connection as database
from django.utils import timezone

from accounts import audit, customers, identifiers
from accounts.audit import Actor
from accounts.models import Customer, Partner
from accounts.models.event import EventType
from integrations import states, tokens
from integrations.connections.adoption import Adoption, Checked, check_adoption
from integrations.connections.find import ensure_for_link
from integrations.errors import InvalidInput
from integrations.models import Connection, ConnectionNumber, Integration
from integrations.models.connection import Status
from integrations.tokens import lease
from integrations.tokens.refresh import load

#: a refresh token whose access token tells no end is tried within this time, so that a dead one shows soon
VERIFIED_WITHIN = timedelta(hours=1)
#: access tokens that are due already are not all renewed in the same second
SPREAD = timedelta(minutes=10)
_FRESH = random.SystemRandom()


class OnConflict(StrEnum):
    """What becomes of tokens whose customer has a living connection of that name already."""

    FAIL = "fail"
    SKIP = "skip"
    REPLACE = "replace"


class Outcome(StrEnum):
    """What adopting did, or would do."""

    ADOPTED = "adopted"
    REPLACED = "replaced"
    ALREADY_THERE = "already there"


def adopt(partner: Partner, integration: Integration, adoption: Adoption, *, actor: Actor) -> Connection:
    """Store the tokens as an active connection. Raises InvalidInput, and InvalidIdentifier of accounts."""
    _, connection = adopt_unless_there(
        partner, integration, adoption, actor=actor, on_conflict=OnConflict.FAIL
    )
    return connection


def adopt_unless_there(
    partner: Partner,
    integration: Integration,
    adoption: Adoption,
    *,
    actor: Actor,
    on_conflict: OnConflict = OnConflict.SKIP,
) -> tuple[Outcome, Connection]:
    """Adopt, all of it or nothing; running it again finds the connection already there.

    Raises InvalidInput, NotFound for an integration without client, and InvalidIdentifier of accounts.
    """
    checked = check_adoption(integration, adoption)
    try:
        with transaction.atomic():
            customer = customers.ensure(
                partner, adoption.foreign_identifier, display_name=adoption.display_name, email=adoption.email
            )
            living = _living(customer, integration, adoption.name, is_locked=True)
            outcome = _outcome(living, adoption, on_conflict)
            if outcome == Outcome.ALREADY_THERE:
                assert living is not None
                return outcome, living
            connection = living or _make(customer, integration, adoption)
            _store(connection, integration, checked)
            return outcome, _tell(connection, outcome, actor=actor)
    except IntegrityError as error:
        raise InvalidInput("UUID", "Something else made it at the same moment; try again.") from error


def foresee(
    partner: Partner,
    integration: Integration,
    adoption: Adoption,
    *,
    on_conflict: OnConflict = OnConflict.SKIP,
) -> Outcome:
    """What adopt_unless_there would do now, with every check and without a write; raises as it does."""
    check_adoption(integration, adoption)
    identifiers.check_identifier(adoption.foreign_identifier)
    customer = customers.find(partner, adoption.foreign_identifier)
    living = None if customer is None else _living(customer, integration, adoption.name)
    return _outcome(living, adoption, on_conflict)


def _living(
    customer: Customer, integration: Integration, name: str, *, is_locked: bool = False
) -> Connection | None:
    rows = Connection.objects.living().filter(customer=customer, integration=integration, name=name)
    return (rows.select_for_update(no_key=True) if is_locked else rows).first()


def _outcome(living: Connection | None, adoption: Adoption, on_conflict: OnConflict) -> Outcome:
    """Raises InvalidInput where the connection that is there, or another of that UUID, stands against it."""
    if living is None:
        if (
            adoption.connection_id is not None
            and Connection.objects.filter(pk=adoption.connection_id).exists()
        ):
            raise InvalidInput(
                "UUID", "Another connection has this UUID, or had it until it was disconnected."
            )
        return Outcome.ADOPTED
    if adoption.connection_id is not None and living.pk != adoption.connection_id:
        raise InvalidInput("UUID", "This customer already has a connection of that name with another UUID.")
    if living.status == Status.PENDING:
        return Outcome.ADOPTED
    return settle(on_conflict)


def settle(on_conflict: OnConflict) -> Outcome:
    """What becomes of tokens whose customer has such a connection already. Raises InvalidInput for FAIL."""
    if on_conflict == OnConflict.FAIL:
        raise InvalidInput("userForeignIdentifier", "This customer already has a connection of that name.")
    return Outcome.REPLACED if on_conflict == OnConflict.REPLACE else Outcome.ALREADY_THERE


def _make(customer: Customer, integration: Integration, adoption: Adoption) -> Connection:
    """A new pending row; with the UUID and the number of the other system, where it had any."""
    if adoption.connection_id is None and adoption.number is None:
        return ensure_for_link(customer, integration, name=adoption.name)
    made = Connection(
        partner_id=customer.partner_id, customer=customer, integration=integration, name=adoption.name
    )
    made.pk = adoption.connection_id or made.pk
    made.save(force_insert=True)
    keep_number(made, adoption.number)
    return made


def keep_number(connection: Connection, wanted: int | None) -> None:
    """Give a new connection its StackGo id: the wanted one if it is free, else the next."""
    if wanted is None or ConnectionNumber.objects.filter(pk=wanted).exists():
        ConnectionNumber.objects.create(connection=connection)
        return
    ConnectionNumber.objects.create(pk=wanted, connection=connection)
    if database.vendor == "postgresql":  # its sequence does not see what it did not give; never move it back
        table = ConnectionNumber._meta.db_table
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
            sequence = cursor.fetchone()[0]
            cursor.execute(
                f"SELECT setval(%s, %s) FROM {sequence} WHERE last_value < %s",  # noqa: S608 (its own name)
                [sequence, wanted, wanted],
            )


def _store(connection: Connection, integration: Integration, checked: Checked) -> None:
    adoption, now = checked.adoption, timezone.now()
    connected_at = min(adoption.connected_at or now, now)
    columns = tokens.token_columns(
        connection,
        checked.response,
        oauth=integration.provider.oauth,
        now=now,
        keeps_refresh_token=False,
        granted_at=connected_at,  # a grant of limited life has used up some of it elsewhere
    )
    columns["token_stored_at"] = None  # its age is not known, so a rejection counts at once (REF-17)
    if adoption.never_expires:  # the importer knows better than the provider's usual lifetime (TOK-21)
        columns.update(access_token_lifetime=None, access_token_expires_at=None, next_refresh_at=None)
    columns["next_refresh_at"] = first_refresh(
        columns["next_refresh_at"], expires_at=columns["access_token_expires_at"], now=now
    )
    if connection.connected_at is None:
        columns["created_at"] = min(connected_at, connection.created_at)
    rows = Connection.objects.filter(
        lease.is_free(), pk=connection.pk, token_version=connection.token_version
    )
    stored = rows.update(
        **columns,
        **_status_columns(connection),
        client=checked.client,
        connection_config=checked.config or connection.connection_config,
        captured={**connection.captured, **checked.captured},
        requested_scopes=integration.required_scopes(),
        requested_optional_scopes=integration.optional_scopes(),
        connected_at=connected_at,
    )
    if not stored:
        raise InvalidInput("userForeignIdentifier", "The connection is being refreshed just now; try again.")


def _status_columns(connection: Connection) -> dict[str, Any]:
    """New tokens make a connection active; one that was paused works again when it is resumed."""
    if connection.status == Status.PAUSED:
        return {"status_before_pause": Status.ACTIVE, "reason_before_pause": ""}
    return {"status": Status.ACTIVE, "status_reason": "", "status_evidence": ""}


def first_refresh(due_at: datetime | None, *, expires_at: datetime | None, now: datetime) -> datetime | None:
    """When tokens that came from elsewhere are first renewed, and by that verified; None stays None.

    A token with a known end waits for its time, as the refresh itself would. What is due already, or tells
    no end, is spread at random, so that many imported at once do not ask the provider at once.
    """
    if due_at is None:
        return None
    if expires_at is None:
        return now + _FRESH.random() * VERIFIED_WITHIN
    return due_at if due_at > now else now + _FRESH.random() * SPREAD


def _tell(connection: Connection, outcome: Outcome, *, actor: Actor) -> Connection:
    before, event = connection.status, EventType.CONNECTION_CREATED
    if outcome == Outcome.REPLACED:
        is_recovered = before in {Status.RECONNECT_REQUIRED, Status.REFRESH_FAILING}
        event = EventType.CONNECTION_RECOVERED if is_recovered else EventType.CONNECTION_UPDATED
    connection = load(connection.pk)
    audit.record(
        "connection.imported",
        connection,
        actor=actor,
        changes={"status": [before, connection.status], "outcome": outcome.value},
    )
    states.tell(connection, event)
    return connection
