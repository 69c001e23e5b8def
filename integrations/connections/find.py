"""Which connection is meant (contract section 3). Another partner's is not there, for every caller."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction

from accounts import identifiers
from accounts.models import Credential, Customer
from integrations.errors import ConnectionAmbiguous, ConnectionNotFound, InvalidInput
from integrations.models import Connection, ConnectionNumber, Integration
from integrations.models.connection import DEFAULT_NAME, ConnectionQuerySet, Status

MAX_NAME_CHARACTERS = 64


def visible_to(credential: Credential) -> ConnectionQuerySet:
    """The partner's connections on integrations that the credential may use, tombstones included."""
    return Connection.objects.select_related("integration", "customer", "partner").filter(
        partner_id=credential.partner_id, integration__grants__credential=credential
    )


def of_customer(
    rows: ConnectionQuerySet, *, partner_id: uuid.UUID, foreign_identifier: str
) -> ConnectionQuerySet:
    """Those of the customer whom the partner calls so.

    The customer's own partner is asked for beside the connection's: the index over identifiers begins with it.
    Without it a million connections are read for one.
    """
    digest = identifiers.digest(foreign_identifier)
    return rows.filter(customer__partner_id=partner_id, customer__identifier_sha256=digest)


def parse_uuid(text: str, *, field: str) -> uuid.UUID:
    """A UUID as callers write it. Raises InvalidInput."""
    try:
        return uuid.UUID(text)
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidInput(field, "A UUID is needed.") from error


def find_by_uuid(credential: Credential, connection_id: uuid.UUID) -> Connection:
    """A connection of the caller by its UUID, tombstones included. Raises ConnectionNotFound."""
    found = visible_to(credential).filter(pk=connection_id).first()
    if found is None:
        raise ConnectionNotFound("No such connection.")
    return found


def find(
    credential: Credential,
    integration: Integration,
    *,
    connection_id: uuid.UUID | None = None,
    foreign_identifier: str | None = None,
    name: str | None = None,
) -> Connection:
    """The living connection that a call means, by UUID or by customer and name; pending ones are not there.

    Raises InvalidInput when neither is given or both disagree, ConnectionAmbiguous, ConnectionNotFound, and
    accounts.identifiers.InvalidIdentifier.
    """
    if connection_id is None and foreign_identifier is None:
        raise InvalidInput("userForeignIdentifier", "Give userForeignIdentifier or UUID.")
    if foreign_identifier is not None:
        identifiers.check_identifier(foreign_identifier)
    usable = visible_to(credential).filter(integration=integration).listed()
    if connection_id is None:
        assert foreign_identifier is not None
        rows = of_customer(usable, partner_id=credential.partner_id, foreign_identifier=foreign_identifier)
        return _only_one(rows, name)
    found = usable.filter(pk=connection_id).first()
    if found is None:
        raise ConnectionNotFound("No such connection.")
    if foreign_identifier is not None and found.customer.foreign_identifier != foreign_identifier:
        raise InvalidInput("UUID", "UUID and userForeignIdentifier name different connections.")
    if name is not None and found.name != name:
        raise InvalidInput("connectionName", "UUID and connectionName name different connections.")
    return found


def _only_one(rows: ConnectionQuerySet, name: str | None) -> Connection:
    candidates = list(rows)
    if name is not None:
        candidates = [candidate for candidate in candidates if candidate.name == name]
    if not candidates:
        raise ConnectionNotFound("No such connection.")
    if len(candidates) == 1:
        return candidates[0]
    for candidate in candidates:
        if candidate.name == DEFAULT_NAME:
            return candidate
    raise ConnectionAmbiguous(sorted(candidate.name for candidate in candidates))


def check_name(name: str) -> str:
    """A connection's name: 1 to 64 printable characters. Raises InvalidInput."""
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or not name.isprintable() or name != name.strip():
        raise InvalidInput(
            "connectionName", "1 to 64 printable characters are needed, without spaces around them."
        )
    return name


def ensure_for_link(customer: Customer, integration: Integration, *, name: str) -> Connection:
    """The living connection of that name, or a new pending one that holds no secret.

    Call inside a transaction, until whose end the row is locked: a link and its pending connection are made
    together, and neither a purge nor another import comes between the look and the change.
    """
    living = Connection.objects.living().filter(customer=customer, integration=integration, name=name)
    wanted = living.select_for_update(no_key=True)
    for _ in range(2):
        found = wanted.first()
        if found is not None:
            return found
        try:
            with transaction.atomic():
                made = Connection.objects.create(
                    partner_id=customer.partner_id,
                    customer=customer,
                    integration=integration,
                    name=name,
                    status=Status.PENDING,
                )
                ConnectionNumber.objects.create(connection=made)
                return made
        except IntegrityError:
            continue  # another request made it between the look and the insert
    raise ConnectionNotFound("The connection could not be made; try again.")
