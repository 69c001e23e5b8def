"""A route: all that forwarding with one connection needs. Making one asks the database; using one does not."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from accounts.models import Credential
from egress.errors import InvalidUrl
from integrations import catalogue, provider_calls
from integrations.access import integration_for
from integrations.catalogue import Api, InvalidConnectionField, MissingValue, Provider
from integrations.connections import find
from integrations.errors import ReconnectRequired
from integrations.models import ClientCredentials, Connection, Integration
from integrations.oauth.oauth1 import Signer
from integrations.representation import reconnect_url
from integrations.tokens import AccessToken, client_authentication, client_secret
from integrations.tokens.refresh import opened, require_usable
from proxy import finding
from proxy.credentials import ONLY_AUTHORIZATION, Field, Places
from proxy.destination import Destination
from proxy.limits import told
from proxy.selectors import Selector
from sealing import UnreadableSecret

DEFAULT_HEADER_TIMEOUT_SECONDS = 30


class Route:
    """Where one connection's calls go, and what they carry.

    `account` names the provider's account within the integration: what the provider's limits are for. `token`
    changes after a refresh; `has_ended` becomes true when a refresh has told that the connection may
    not be used, so that a cache which does not see the database's changes at once makes no further call.
    `signer` signs each request where the provider wants that (RFC 5849); None everywhere else.
    """

    __slots__ = (
        "account", "added_fields", "connection_id", "destination", "has_ended", "header_timeout_seconds",
        "limit_fields", "places", "provider", "signer", "token",
    )  # fmt: skip

    def __init__(
        self,
        connection_id: UUID,
        provider: Provider,
        *,
        destination: Destination,
        added_fields: tuple[Field, ...],
        token: AccessToken,
        account: str = "",
        signer: Signer | None = None,
    ) -> None:
        self.connection_id = connection_id
        self.account = account or connection_id.hex
        self.limit_fields = told.fields_of(provider.api.rate_limit)
        self.provider = provider
        self.destination = destination
        self.places = places_of(provider)
        self.added_fields = added_fields
        self.header_timeout_seconds = (
            provider.api.response_header_timeout_seconds or DEFAULT_HEADER_TIMEOUT_SECONDS
        )
        self.token = token
        self.signer = signer
        self.has_ended = False

    @property
    def api(self) -> Api:
        return self.provider.api

    def header_timeout(self, asked_seconds: float | None) -> float:
        """Seconds until the response headers: as asked, else the provider's, else the platform's."""
        return self.header_timeout_seconds if asked_seconds is None else asked_seconds

    def fresh_seconds(self, now: datetime) -> float:
        """How long the token may be used without asking again; 0 when it is due."""
        due_at = self.token.due_at
        return float("inf") if due_at is None else max(0.0, (due_at - now).total_seconds())

    def __repr__(self) -> str:
        return f"<Route {self.connection_id}>"


def places_of(provider: Provider) -> Places:
    """Where this provider's callers put their key."""
    known = _places.get(provider.id)
    if known is None or known[0] is not provider:
        known = _places[provider.id] = (provider, Places.of(provider.api))
    return known[1]


_places: dict[str, tuple[Provider, Places]] = {}


def places_of_slug(slug: str) -> Places:
    """The places of an integration's provider; for a slug that does not exist, Authorization alone."""
    provider_id = Integration.objects.filter(slug=slug).values_list("provider_id", flat=True).first()
    return ONLY_AUTHORIZATION if provider_id is None else places_of(catalogue.get(provider_id))


def resolve(credential: Credential, selector: Selector) -> Route:
    """The route of the connection that a caller means; its token may be due for refresh.

    Raises NotFound, ConnectionNotFound, ConnectionAmbiguous, ConnectionPaused, ReconnectRequired,
    InvalidInput, InvalidIdentifier and UnreadableSecret.
    """
    connection = finding.connection_of(credential, selector)
    if connection is None:
        integration = integration_for(credential, selector.slug)
        connection = find(
            credential,
            integration,
            connection_id=selector.connection_id,
            foreign_identifier=selector.foreign_identifier,
            name=selector.name,
        )
    require_usable(connection)
    return _route(connection)


def _route(connection: Connection) -> Route:
    provider = connection.integration.provider
    values = connection.config_values()
    try:
        destination = Destination.of(
            catalogue.resolve_base_url(provider, values),
            catalogue.resolve_hosts(provider, values),
            provider.api.closed_paths,
        )
    except (MissingValue, InvalidConnectionField, InvalidUrl) as error:
        raise ReconnectRequired(
            "address_unknown",
            "The connection lacks a value that the provider's address is made of. Connect again to give it.",
            reconnect_url=reconnect_url(connection),
        ) from error
    return Route(
        connection.pk,
        provider,
        destination=destination,
        added_fields=_added_fields(connection, values),
        token=opened(connection),
        account=f"{connection.integration_id.hex}:{connection.provider_account_id or connection.pk.hex}",
        signer=_signer(connection, provider),
    )


def _signer(connection: Connection, provider: Provider) -> Signer | None:
    if provider.api.credential.kind != "oauth1":
        return None
    if connection.client is None:
        raise UnreadableSecret("The connection has no client to sign with.")
    return provider_calls.signer(provider, client_authentication(connection.client))


def _client_values(client: ClientCredentials, templates: str) -> dict[str, str]:
    """What the templates ask of the client. Raises UnreadableSecret."""
    values = {}
    if "{client_id}" in templates:
        values["client_id"] = client.client_id
    if "{client_secret}" in templates and (secret := client_secret(client)) is not None:
        values["client_secret"] = secret.reveal()
    return values


def _added_fields(connection: Connection, values: dict[str, str]) -> tuple[Field, ...]:
    templates = connection.integration.provider.api.headers
    if not templates:
        return ()
    if connection.client is not None:
        values = {**values, **_client_values(connection.client, " ".join(templates.values()))}
    headers = catalogue.resolve_headers(connection.integration.provider, values)
    # What an account calls itself may hold any letters; a field value may not (RFC 9110 section 5.5).
    sendable = ((name, value) for name, value in headers.items() if value.isascii() and value.isprintable())
    return tuple((name.lower().encode("ascii"), value.encode("ascii")) for name, value in sendable)
