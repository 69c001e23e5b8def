"""Making and changing integrations: rows, scopes, client credentials and the audit entry, together or not at all.

The admin and the commands both come here; neither writes these rows itself.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from integrations import catalogue
from integrations.catalogue import InvalidConnectionField, MissingValue, Provider, UnknownProvider
from integrations.errors import IntegrationsError, InvalidInput
from integrations.models import (
    ClientCredentials,
    Connection,
    Integration,
    IntegrationScope,
    PendingRevocation,
)
from integrations.models.connection import USABLE, Status
from integrations.slugs import validate_slug
from sealing import Secret

MAX_SCOPES = 500
#: scope-token of RFC 6749 section 3.3; whether the provider knows the name is the provider's to say
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,200}")
CLIENT_FIELDS = (
    "is_current",
    "app_id",
    "client_secret",
    "client_secret_last4",
    "next_client_secret",
    "rejected_since",
)
_PLAIN_FIELDS = ("display_name", "environment", "is_enabled", "connection_config")


class IntegrationInUse(IntegrationsError):
    """An integration that cannot be deleted; connections and revocations count what stands against it."""

    def __init__(self, *, connections: int, revocations: int) -> None:
        self.connections, self.revocations = connections, revocations
        if connections:
            sentence = (
                f"{connections} living connection{'s' if connections != 1 else ''} would lose their way to the "
                "provider. Disconnect them first, or switch the integration off."
            )
        else:
            sentence = (
                f"The provider is still being told that {revocations} ended "
                f"connection{'s' if revocations != 1 else ''} may be forgotten. Try again in a few minutes."
            )
        super().__init__(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationValues:
    """All that staff decide of an integration beside its provider and short name.

    A secret of None leaves what is stored. connection_config holds the provider's fields asked of staff.
    """

    client_id: str
    client_secret: Secret | None = None
    next_client_secret: Secret | None = None
    app_id: str = ""
    display_name: str = ""
    environment: str = ""
    is_enabled: bool = True
    connection_config: Mapping[str, str] = field(default_factory=dict)
    required_scopes: Sequence[str] = ()
    optional_scopes: Sequence[str] = ()


def supported_providers() -> tuple[Provider, ...]:
    """The providers of which an integration can be made, in the order of their names."""
    return tuple(provider for provider in catalogue.all_providers() if provider.is_supported)


def provider_for(provider_id: str) -> Provider:
    """A provider that can be connected. Raises InvalidInput."""
    try:
        provider = catalogue.get(provider_id)
    except UnknownProvider as error:
        raise InvalidInput("provider", "The catalogue has no such provider.") from error
    if not provider.is_supported:
        lacking = ", ".join(provider.unsupported_features)
        raise InvalidInput(
            "provider", f"{provider.display_name} cannot be connected yet; it needs: {lacking}."
        )
    return provider


def create(
    provider_id: str,
    slug: str,
    values: IntegrationValues,
    *,
    actor: Actor,
    pk: uuid.UUID | None = None,
) -> Integration:
    """Make an integration with its credentials and scopes. Raises InvalidInput before anything is written."""
    provider = provider_for(provider_id)
    try:
        validate_slug(slug)
    except ValidationError as error:
        raise InvalidInput("slug", " ".join(error.messages)) from error
    config = check(provider, values, has_secret=False)
    integration = Integration(
        pk=pk or uuid.uuid4(),
        slug=slug,
        provider_id=provider.id,
        display_name=values.display_name,
        environment=values.environment,
        is_enabled=values.is_enabled,
        connection_config=config,
    )
    try:
        with transaction.atomic():
            integration.save(force_insert=True)
            client = ClientCredentials(
                integration=integration, client_id=values.client_id, app_id=values.app_id
            )
            _set_secrets(client, values)
            client.save(force_insert=True)
            scopes = _set_scopes(integration, values)
            changes = {"provider": provider.id, "client_id": client.client_id, **scopes}
            audit.record("integration.created", integration, actor=actor, changes=changes)
    except IntegrityError as error:
        raise InvalidInput("slug", "Another integration has this short name.") from error
    return integration


def update(integration: Integration, values: IntegrationValues, *, actor: Actor) -> Integration:
    """Change what differs; returns the row as it is now. Raises InvalidInput before anything is written.

    Another Client ID becomes the current one, and the connections that the old one made keep it (REF-31).
    """
    with transaction.atomic():
        row = Integration.objects.select_for_update().get(pk=integration.pk)
        known = row.clients.filter(client_id=values.client_id).first()
        has_secret = known is not None and known.client_secret is not None
        config = check(row.provider, values, has_secret=has_secret)
        changes = {
            **_change_row(row, values, config),
            **_change_client(row, values, known),
            **_set_scopes(row, values),
        }
        if changes:
            audit.record("integration.updated", row, actor=actor, changes=changes)
    return row


def check(provider: Provider, values: IntegrationValues, *, has_secret: bool) -> dict[str, str]:
    """The checked connection_config; writes nothing. has_secret: one is stored for this Client ID.

    Raises InvalidInput, whose field is a name of IntegrationValues, or `connection_config.<name>`.
    """
    _check_client(provider, values, has_secret=has_secret)
    _check_scopes(values)
    given = {name: value for name, value in values.connection_config.items() if value.strip()}
    try:
        return catalogue.check_connection_fields(provider, given, asked_of=("staff",))
    except MissingValue as error:
        raise InvalidInput(f"connection_config.{error.field}", "Please fill this in.") from error
    except InvalidConnectionField as error:
        raise InvalidInput(f"connection_config.{error.field}", f"The value {error.reason}.") from error


def _check_client(provider: Provider, values: IntegrationValues, *, has_secret: bool) -> None:
    credentials = provider.credentials
    _check_client_id(provider, values.client_id)
    if credentials.client_secret is None and (values.client_secret or values.next_client_secret):
        raise InvalidInput("client_secret", f"{provider.display_name} has no such value.")
    if credentials.client_secret is not None and not values.client_secret and not has_secret:
        raise InvalidInput(
            "client_secret",
            f"Each {provider.display_name} app has its own {credentials.client_secret.label}: paste it.",
        )
    if values.app_id and credentials.app_id is None:
        raise InvalidInput("app_id", f"{provider.display_name} has no such value.")
    if len(values.app_id) > 64:
        raise InvalidInput("app_id", "At most 64 characters are kept.")


def _check_client_id(provider: Provider, client_id: str) -> None:
    """A provider without apps (API keys, passwords) has none: the row of credentials is then empty."""
    wanted = provider.credentials.client_id
    if wanted is None:
        if client_id:
            raise InvalidInput("client_id", f"{provider.display_name} has no such value.")
    elif not client_id or len(client_id) > 512 or not client_id.isprintable():
        raise InvalidInput("client_id", f"The {wanted.label} is missing, or no {provider.display_name} id.")


def _check_scopes(values: IntegrationValues) -> None:
    for name in ("required_scopes", "optional_scopes"):
        scopes = getattr(values, name)
        wrong = next((scope for scope in scopes if not _SCOPE.fullmatch(scope)), None)
        if wrong is not None:
            raise InvalidInput(
                name, f"{wrong[:60]!r} cannot be a scope: no spaces, quotes or letters beyond ASCII."
            )
        if len(scopes) > MAX_SCOPES:
            raise InvalidInput(name, f"At most {MAX_SCOPES} scopes.")


def _change_row(row: Integration, values: IntegrationValues, config: dict[str, str]) -> dict[str, Any]:
    wanted = {name: getattr(values, name) for name in _PLAIN_FIELDS} | {"connection_config": config}
    changes = {
        name: [getattr(row, name), value] for name, value in wanted.items() if getattr(row, name) != value
    }
    for name, (_, value) in changes.items():
        setattr(row, name, value)
    if changes:
        row.save(update_fields=[*changes, "updated_at"])
    return changes


def _change_client(
    row: Integration, values: IntegrationValues, known: ClientCredentials | None
) -> dict[str, Any]:
    """The client of that id becomes the current one, with what was typed; changes name the fields."""
    before = row.clients.filter(is_current=True).first()
    changes: dict[str, Any] = {}
    client = known or ClientCredentials(integration=row, client_id=values.client_id, is_current=False)
    if before is None or before.pk != client.pk:
        changes["client_id"] = [before.client_id if before else None, client.client_id]
        row.clients.filter(is_current=True).update(is_current=False)
        client.is_current = True
    if client.app_id != values.app_id:
        changes["app_id"] = [client.app_id, values.app_id]
        client.app_id = values.app_id
    changes |= _set_secrets(client, values)
    if changes and known is None:
        client.save(force_insert=True)
    elif changes:
        client.save(update_fields=CLIENT_FIELDS)
    if "client_secret" in changes or "next_client_secret" in changes:
        retry_connections(client)
    return changes


def _set_secrets(client: ClientCredentials, values: IntegrationValues) -> dict[str, str]:
    changes: dict[str, str] = {}
    if values.client_secret:
        client.client_secret = values.client_secret
        client.client_secret_last4 = values.client_secret.last4
        client.rejected_since = None
        changes |= {"client_secret": "set"}
    if values.next_client_secret:
        client.next_client_secret = values.next_client_secret
        changes |= {"next_client_secret": "set"}
    return changes


def retry_connections(client: ClientCredentials) -> None:
    """Connections that wait because the provider refused this client may ask again now."""
    now = timezone.now()
    Connection.objects.filter(
        client=client,
        status__in=USABLE,
        refresh_token__isnull=False,
        refresh_not_before__isnull=False,  # the last refresh failed; the sweep may wait for longer than a use
    ).update(refresh_not_before=None, next_refresh_at=now)


def _set_scopes(row: Integration, values: IntegrationValues) -> dict[str, Any]:
    """Make the rows those of values. One scope is either required or optional, and required wins."""
    required = list(dict.fromkeys(values.required_scopes))
    wanted = [(scope, False) for scope in required]
    wanted += [(scope, True) for scope in dict.fromkeys(values.optional_scopes) if scope not in required]
    present = list(row.scopes.values_list("scope", "is_optional"))
    if set(wanted) == set(present):
        return {}
    row.scopes.all().delete()
    IntegrationScope.objects.bulk_create(
        IntegrationScope(integration=row, scope=scope, is_optional=is_optional)
        for scope, is_optional in wanted
    )
    return {
        "scopes": {
            "added": _in_words(set(wanted) - set(present)),
            "removed": _in_words(set(present) - set(wanted)),
        }
    }


def _in_words(scopes: set[tuple[str, bool]]) -> list[str]:
    return sorted(f"{scope} (optional)" if is_optional else scope for scope, is_optional in scopes)


def obstacles(integration: Integration) -> IntegrationInUse | None:
    """What stands against deleting an integration, or None."""
    living = (
        Connection.objects.living().filter(integration=integration).exclude(status=Status.PENDING).count()
    )
    revocations = PendingRevocation.objects.filter(connection__integration=integration).count()
    return IntegrationInUse(connections=living, revocations=revocations) if living or revocations else None


def delete(integration: Integration, *, actor: Actor) -> None:
    """Delete an integration with its pending connections and its tombstones. Raises IntegrationInUse (ADM-08)."""
    with transaction.atomic():
        row = Integration.objects.select_for_update().get(pk=integration.pk)
        in_use = obstacles(row)
        if in_use is not None:
            raise in_use
        gone = {
            "slug": row.slug,
            "provider": row.provider_id,
            "pending_connections": row.connections.filter(status=Status.PENDING).count(),
            "disconnected_connections": row.connections.filter(status=Status.DISCONNECTED).count(),
        }
        audit.record("integration.deleted", row, actor=actor, changes=gone)
        row.connections.all().delete()
        row.delete()
