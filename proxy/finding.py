"""The two questions of a cold call, as prepared queries: whose credential this is, and which connection it means.

They answer what is plain. On anything else they find nothing, and the functions that say what is wrong are
asked instead; so no refusal is written here.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from accounts import identifiers
from accounts.credentials import sha256
from accounts.identifiers import InvalidIdentifier
from accounts.models import Credential
from accounts.models.partner import CredentialQuerySet
from integrations import catalogue
from integrations.catalogue import UnknownProvider
from integrations.connections.find import visible_to
from integrations.models import Connection, Integration
from integrations.models.connection import ConnectionQuerySet
from proxy.prepared import Mark, Prepared
from proxy.selectors import Selector


def _pk(number: int) -> Mark:
    return Mark(uuid.UUID(int=number), Connection._meta.pk)


def _text(value: str) -> Mark:
    return Mark(value, Integration._meta.get_field("slug"))


def _usable(credential: uuid.UUID, partner: uuid.UUID, slug: str) -> ConnectionQuerySet:
    """The partner's connections on one integration that is granted to the credential and is not turned off."""
    caller = Credential(pk=credential, partner_id=partner)
    granted = visible_to(caller).filter(integration__slug=slug, integration__is_enabled=True)
    return granted.listed().order_by()


def _by_customer(*, credential: uuid.UUID, partner: uuid.UUID, slug: str, digest: str) -> ConnectionQuerySet:
    rows = _usable(credential, partner, slug)
    return rows.filter(customer__partner_id=partner, customer__identifier_sha256=digest)


def _by_uuid(
    *, credential: uuid.UUID, partner: uuid.UUID, slug: str, connection: uuid.UUID
) -> ConnectionQuerySet:
    return _usable(credential, partner, slug).filter(pk=connection)


def _by_api_key(*, digest: str, now: datetime) -> CredentialQuerySet:
    return Credential.objects.live(now).select_related("partner").filter(api_key_sha256=digest).order_by()


def _by_issued_token(*, digest: str, now: datetime) -> CredentialQuerySet:
    live = Credential.objects.live(now).select_related("partner").order_by()
    return live.filter(issued_tokens__token_sha256=digest, issued_tokens__expires_at__gt=now)


_CALLER = {"credential": _pk(1), "partner": _pk(2), "slug": _text("mark-of-slug")}
_BY_CUSTOMER = Prepared(_by_customer, **_CALLER, digest=_text("mark-of-digest"))
_BY_UUID = Prepared(_by_uuid, **_CALLER, connection=_pk(3))
_BEARER = {
    "digest": _text("mark-of-digest"),
    "now": Mark(datetime(2000, 1, 1, tzinfo=UTC), Credential._meta.get_field("expires_at")),
}
_BY_API_KEY = Prepared(_by_api_key, **_BEARER)
_BY_ISSUED_TOKEN = Prepared(_by_issued_token, **_BEARER)


def by_bearer(token: str, *, now: datetime) -> Credential | None:
    """As accounts.credentials.by_bearer: the live credential of an API key or an issued token, or None."""
    digest = sha256(token)
    found = _BY_API_KEY.rows(digest=digest, now=now) or _BY_ISSUED_TOKEN.rows(digest=digest, now=now)
    return found[0] if found else None


def connection_of(credential: Credential, selector: Selector) -> Connection | None:
    """The one listed connection that a selector means, with its integration, customer and partner.

    None when there is none or more than one, when the selector contradicts itself, or when the integration is
    not this credential's.
    """
    if "\x00" in selector.slug:
        return None
    asked = {"credential": credential.pk, "partner": credential.partner_id, "slug": selector.slug}
    if selector.connection_id is not None:
        rows = _BY_UUID.rows(**asked, connection=selector.connection_id)
    elif (digest := _digest(selector.foreign_identifier)) is not None:
        rows = _BY_CUSTOMER.rows(**asked, digest=digest)
    else:
        return None
    if selector.name is not None:
        rows = [row for row in rows if row.name == selector.name]
    if len(rows) != 1 or not _is_known(rows[0].integration.provider_id):
        return None
    customer = rows[0].customer
    if selector.foreign_identifier not in (None, customer.foreign_identifier):
        return None
    return rows[0]


def _digest(identifier: str | None) -> str | None:
    try:
        return None if identifier is None else identifiers.digest(identifiers.check_identifier(identifier))
    except InvalidIdentifier:
        return None


def _is_known(provider_id: str) -> bool:
    try:
        catalogue.get(provider_id)
    except UnknownProvider:
        return False
    return True
