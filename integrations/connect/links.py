"""Connect links: made by partners, opened by customers. Reading one never spends it."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit, credentials, customers, identifiers, origins
from accounts.audit import Actor
from accounts.models import Credential, Partner
from integrations import catalogue
from integrations.catalogue import InvalidConnectionField
from integrations.connections import ensure_for_link
from integrations.connections.find import check_name
from integrations.errors import InvalidInput, LinkUnusable, NotFound
from integrations.models import ConnectLink, Integration
from integrations.models.connection import DEFAULT_NAME
from integrations.models.link import LinkState
from integrations.representation import timestamp

MIN_SECONDS = 60
_MAX_SCOPES = 200


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What a partner asks for. scopes and optional_scopes None mean the integration's own."""

    foreign_identifier: str
    return_url: str = ""
    scopes: Sequence[str] | None = None
    optional_scopes: Sequence[str] | None = None
    expires_in_seconds: int | None = None
    connection_name: str = DEFAULT_NAME
    connection_config: Mapping[str, str] = field(default_factory=dict)
    display_name: str = ""
    email: str = ""
    shows_json_result: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class NewLink:
    """A link just made, with its URL, which is shown once."""

    link: ConnectLink
    url: str

    def __repr__(self) -> str:
        return f"<NewLink {self.link.pk}>"


def create_link(
    partner: Partner,
    integration: Integration,
    request: LinkRequest,
    *,
    actor: Actor,
    credential: Credential | None = None,
    max_seconds: int | None = None,
) -> NewLink:
    """Make a link, and the pending connection that carries its UUID when there is none yet.

    Everything is checked before anything is written. Raises InvalidInput, identifiers.InvalidIdentifier,
    origins.ReturnUrlRefused.
    """
    identifiers.check_identifier(request.foreign_identifier)
    check_name(request.connection_name)
    seconds = _lifetime(request.expires_in_seconds, max_seconds or settings.CONNECT_LINK_MAX_SECONDS)
    if request.return_url:
        origins.check_return_url(request.return_url, partner.allowed_return_origins)
    scopes, optional_scopes = _scopes(integration, request)
    config = _config(integration, request.connection_config)
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        customer = customers.ensure(
            partner, request.foreign_identifier, display_name=request.display_name, email=request.email
        )
        connection = ensure_for_link(customer, integration, name=request.connection_name)
        link = ConnectLink.objects.create(
            token_sha256=credentials.sha256(token),
            partner=partner,
            integration=integration,
            connection=connection,
            credential=credential,
            return_url=request.return_url,
            scopes=scopes,
            optional_scopes=optional_scopes,
            connection_config=config,
            shows_json_result=request.shows_json_result,
            expires_at=timezone.now() + timedelta(seconds=seconds),
        )
        audit.record("link.created", link, actor=actor, changes={"connection": str(connection.pk)})
    return NewLink(link, f"{settings.PUBLIC_URL}/connect/{token}")


def _lifetime(asked: int | None, maximum: int) -> int:
    if asked is None:
        return settings.CONNECT_LINK_SECONDS
    if not MIN_SECONDS <= asked <= maximum:
        raise InvalidInput(
            "expiresInSeconds", f"A number of seconds from {MIN_SECONDS} to {maximum} is needed."
        )
    return asked


def _scopes(integration: Integration, request: LinkRequest) -> tuple[list[str], list[str]]:
    """(required, optional) of this link: the integration's own, or a choice among them.

    A scope that staff did not configure is refused: the provider would refuse the install (CON-05, CON-06).
    """
    required, optional = integration.required_scopes(), integration.optional_scopes()
    known = {*required, *optional}
    for name, asked in (("scopes", request.scopes), ("optionalScopes", request.optional_scopes)):
        strangers = [scope for scope in (asked or [])[: _MAX_SCOPES + 1] if scope not in known]
        if strangers or len(asked or []) > _MAX_SCOPES:
            raise InvalidInput(
                name, f"{strangers[0] if strangers else 'The list'} is not configured for this app."
            )
    if request.scopes is not None:
        mandatory = list(integration.provider.oauth.scope.mandatory)
        required = list(dict.fromkeys([*request.scopes, *mandatory]))
    if request.optional_scopes is not None:
        optional = list(dict.fromkeys(request.optional_scopes))
    return required, [scope for scope in optional if scope not in required]


def _config(integration: Integration, given: Mapping[str, str]) -> dict[str, str]:
    """Checked values of the provider's connection fields; what is missing the customer will be asked for."""
    provider = integration.provider
    checked = {}
    for name, value in given.items():
        known = provider.connection_field(name)
        if known is None or known.asked_of == "staff":
            raise InvalidInput(f"connectionConfig.{name[:64]}", f"{provider.display_name} has no such value.")
        try:
            checked[name] = catalogue.check_connection_field(known, value)
        except InvalidConnectionField as error:
            raise InvalidInput(f"connectionConfig.{name}", f"The value {error.reason}.") from error
    return checked


def find_link(token: str) -> ConnectLink:
    """The link of a token, in whatever state. Raises NotFound."""
    found = (
        ConnectLink.objects.select_related("integration", "connection__customer", "partner")
        .filter(token_sha256=credentials.sha256(token[:200]))
        .first()
    )
    if found is None:
        raise NotFound("No such link.")
    return found


def find_own_link(credential: Credential, link_id: uuid.UUID) -> ConnectLink:
    """A link of the credential's partner, on an integration that the credential may use. Raises NotFound."""
    found = (
        ConnectLink.objects.select_related("integration", "connection__customer", "partner")
        .filter(pk=link_id, partner_id=credential.partner_id, integration__grants__credential=credential)
        .first()
    )
    if found is None:
        raise NotFound("No such link.")
    return found


def require_usable(link: ConnectLink, *, now: datetime) -> None:
    """Raise LinkUnusable for a link that was used, revoked or has expired."""
    reasons = {LinkState.COMPLETED: "used", LinkState.REVOKED: "revoked", LinkState.EXPIRED: "expired"}
    reason = reasons.get(link.state(now))
    if reason:
        raise LinkUnusable(reason)


def mark_opened(link: ConnectLink) -> None:
    """Remember the first opening; spends nothing."""
    if link.opened_at is None:
        ConnectLink.objects.filter(pk=link.pk, opened_at=None).update(opened_at=timezone.now())


def revoke_link(link: ConnectLink, *, actor: Actor) -> bool:
    """Make a link useless; False when it was used or revoked before."""
    with transaction.atomic():
        unused = ConnectLink.objects.filter(pk=link.pk, completed_at=None, revoked_at=None)
        revoked = unused.update(revoked_at=timezone.now())
        if revoked:
            audit.record("link.revoked", link, actor=actor)
    return bool(revoked)


def link_data(link: ConnectLink, *, now: datetime) -> dict[str, Any]:
    """The public JSON object of a link, without its URL."""
    return {
        "id": str(link.pk),
        "state": link.state(now).value,
        "appSlug": link.integration.slug,
        "userForeignIdentifier": link.connection.customer.foreign_identifier,
        "UUID": str(link.connection_id),
        "failureReason": link.failure_reason or None,
        "createdAt": timestamp(link.created_at),
        "expiresAt": timestamp(link.expires_at),
        "openedAt": timestamp(link.opened_at),
        "completedAt": timestamp(link.completed_at),
    }


def link_status(link: ConnectLink) -> dict[str, Any]:
    """What a page that polls may know: never the identifier of the customer."""
    return {
        "status": link.state(timezone.now()).value,
        "UUID": str(link.connection_id),
        "reason": link.failure_reason or None,
        "failedAt": timestamp(link.failed_at),
    }
