"""What the confirm page tells: who asks, for whom, for what."""

from __future__ import annotations

from dataclasses import dataclass

from integrations import granted_scopes
from integrations.catalogue import ConnectionField, ConnectionSecret, Provider
from integrations.models import Connection, ConnectLink
from integrations.models.connection import Status


@dataclass(frozen=True, slots=True)
class ConsentScope:
    """A scope in words that a customer understands. is_new: this connection was not granted it before."""

    name: str
    meaning: str
    group: str
    is_optional: bool
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """The content of the confirm page."""

    partner_name: str
    customer_name: str
    integration_name: str
    provider: Provider
    scopes: tuple[ConsentScope, ...]
    fields: tuple[ConnectionField, ...]
    secrets: tuple[ConnectionSecret, ...]
    values: dict[str, str]
    is_reconnect: bool

    @property
    def has_new_scopes(self) -> bool:
        return any(scope.is_new for scope in self.scopes)


def describe(link: ConnectLink) -> Consent:
    """The link in words. Raises catalogue.UnknownProvider when the provider's entry is gone."""
    integration, connection = link.integration, link.connection
    provider = integration.provider
    named = [(scope, False) for scope in link.scopes] + [(scope, True) for scope in link.optional_scopes]
    values = known_values(link)
    asked = tuple(
        field
        for field in provider.connection_fields
        if field.asked_of != "staff" and field.name not in values
    )
    new = _new_scopes(connection, [scope for scope, _ in named])
    return Consent(
        partner_name=link.partner.name,
        customer_name=connection.customer.display_name,
        integration_name=integration.name,
        provider=provider,
        scopes=tuple(
            _in_words(provider, scope, is_optional, is_new=scope in new) for scope, is_optional in named
        ),
        fields=asked,
        secrets=provider.connection_secrets,
        values=values,
        is_reconnect=connection.status != Status.PENDING,
    )


def known_values(link: ConnectLink) -> dict[str, str]:
    """Values of connection fields that nobody has to be asked for: a reconnect starts from the stored (CON-20)."""
    return {
        **link.integration.connection_config,
        **link.connection.connection_config,
        **link.connection_config,
    }


def _new_scopes(connection: Connection, asked: list[str]) -> frozenset[str]:
    """Those that a reconnect asks for beyond the grant before; none at first, where all of them would be new."""
    if connection.status == Status.PENDING:
        return frozenset()
    requested = [*connection.requested_scopes, *connection.requested_optional_scopes]
    provider = connection.integration.provider
    return frozenset(
        granted_scopes.lacking(provider, asked, granted=connection.granted_scopes, requested=requested)
    )


def _in_words(provider: Provider, name: str, is_optional: bool, *, is_new: bool) -> ConsentScope:
    known = provider.scope_by_name(name)
    if known is None:
        return ConsentScope(name, name, "", is_optional, is_new)
    return ConsentScope(name, known.meaning, known.group, is_optional, is_new)
