"""Starting an attempt: one state, one verifier, one browser, ten minutes (design rule 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import structlog
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from egress import upstream_map
from integrations import catalogue, provider_calls, tokens
from integrations.catalogue import InvalidConnectionField, MissingValue, Provider
from integrations.connect import signed_in
from integrations.connect.consent import known_values
from integrations.connect.granted import config_of
from integrations.connect.links import require_usable
from integrations.errors import InvalidInput, NotFound, ProviderError, ProviderRefused
from integrations.models import AuthorizationAttempt, ClientCredentials, ConnectLink
from integrations.oauth import pkce, state
from integrations.oauth.authorization_request import build_authorization_url
from sealing import Secret

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Started:
    """An attempt and the URL that the browser goes to; the URL holds the state, so it is not logged."""

    attempt: AuthorizationAttempt
    authorization_url: str
    provider_name: str

    def __repr__(self) -> str:
        return f"<Started {self.attempt.pk}>"


def start(link: ConnectLink, *, browser_secret: str, values: Mapping[str, str]) -> Started:
    """Begin one trip to the provider. values are what the customer typed into the connection fields.

    Raises LinkUnusable, InvalidInput for a field, NotFound when the integration is off or gone.
    """
    provider, client = ready(link)
    config = checked_config(link, provider, values)
    state_value = state.new_state()
    if provider.auth_kind == "oauth1":
        return _started_by_token(
            link, client, state_value=state_value, browser_secret=browser_secret, config=config
        )
    verifier = None if provider.oauth.pkce == "forbidden" else pkce.new_code_verifier()
    attempt = make(
        link, client, state_value=state_value, browser_secret=browser_secret, config=config, proof=verifier
    )
    url = authorization_url(attempt, provider, state_value=state_value, verifier=verifier)
    if provider.oauth.pushed_authorization_request_endpoint is not None:
        url = _pushed(attempt, provider, url)
    return Started(attempt, upstream_map.public_location(url), provider.display_name)


def ready(link: ConnectLink) -> tuple[Provider, ClientCredentials]:
    """The provider, and the client that connects. Raises LinkUnusable, and NotFound where nothing can be begun."""
    require_usable(link, now=timezone.now())
    integration = link.integration
    if not integration.is_enabled or not link.partner.is_active:
        raise NotFound("This integration is switched off.")
    provider = integration.provider
    client = integration.clients.filter(is_current=True).first()
    if client is None or not provider.is_supported:
        raise NotFound("This integration is not ready to be used.")
    if client.client_secret is not None and not client.client_secret.is_readable():
        # Here and not in the callback alone: what the customer would grant until then could not be fetched.
        raise NotFound(
            "The app's secret cannot be read; the operator of this installation has to restore it."
        )
    return provider, client


def make(
    link: ConnectLink,
    client: ClientCredentials,
    *,
    state_value: str,
    browser_secret: str,
    config: dict[str, str],
    proof: str | None = None,
    **columns: Any,
) -> AuthorizationAttempt:
    """An attempt of this browser. proof: what the exchange will have to show, kept sealed."""
    return AuthorizationAttempt.objects.create(
        link=link,
        client=client,
        state_sha256=state.digest(state_value),
        browser_sha256=state.digest(browser_secret),
        code_verifier=Secret(proof) if proof else None,
        redirect_uri=link.integration.redirect_uri,
        scopes=link.scopes,
        optional_scopes=link.optional_scopes,
        connection_config=config,
        expires_at=timezone.now() + timedelta(seconds=settings.ATTEMPT_SECONDS),
        **columns,
    )


def _started_by_token(
    link: ConnectLink,
    client: ClientCredentials,
    *,
    state_value: str,
    browser_secret: str,
    config: dict[str, str],
) -> Started:
    """RFC 5849 sections 2.1 and 2.2: temporary credentials first. The callback carries our state as well, since a
    customer who says no comes back without a token at some providers."""
    provider = link.integration.provider
    callback = f"{link.integration.redirect_uri}?{urlencode({'state': state_value})}"
    values = {**link.integration.connection_config, **config}
    pair = _asked(
        link,
        lambda: tokens.with_either_secret(
            client,
            lambda authentication: provider_calls.fetch_request_token(
                provider, client=authentication, callback=callback, values=values
            ),
        ),
    )
    attempt = make(
        link,
        client,
        state_value=state_value,
        browser_secret=browser_secret,
        config=config,
        proof=pair.stored(),
    )
    url = signed_in.authorization_url(provider, pair.token, client_id=client.client_id, values=values)
    return Started(attempt, upstream_map.public_location(url), provider.display_name)


def authorization_url(
    attempt: AuthorizationAttempt, provider: Provider, *, state_value: str, verifier: str | None
) -> str:
    """The provider's authorize URL of an attempt (RFC 6749 section 4.1.1)."""
    oauth = provider.oauth
    values = config_of(attempt)
    return build_authorization_url(
        catalogue.render_url(provider, oauth.authorization_endpoint, values),
        client_id=attempt.client.client_id,
        redirect_uri=attempt.redirect_uri,
        scopes=attempt.scopes,
        state=state_value,
        scope_separator=oauth.scope.separator,
        code_challenge=pkce.code_challenge(verifier) if verifier else None,
        extra_params=catalogue.render_all(
            oauth.authorization_params, {**values, "client_id": attempt.client.client_id}
        ),
        optional_scopes=attempt.optional_scopes,
        optional_scope_parameter=oauth.scope.optional_parameter,
        sends_scope=oauth.scope.is_sent,
        parameter_names=oauth.authorization_parameter_names,
    )


def _pushed(attempt: AuthorizationAttempt, provider: Provider, url: str) -> str:
    """The address after its parameters were sent ahead: a reference takes their place (RFC 9126 section 4)."""
    values = config_of(attempt)
    address, query = url.split("?", 1)
    request_uri = _asked(
        attempt.link,
        lambda: tokens.with_either_secret(
            attempt.client,
            lambda client: provider_calls.push_authorization_request(
                provider, client=client, parameters=dict(parse_qsl(query)), values=values
            ),
        ),
    )
    client_id = provider.oauth.authorization_parameter_names.get("client_id", "client_id")
    return f"{address}?{urlencode({client_id: attempt.client.client_id, 'request_uri': request_uri})}"


def _asked(link: ConnectLink, call: Callable[[], T]) -> T:
    """What must be asked of the provider before the customer is sent there. Raises NotFound and InvalidInput."""
    try:
        return call()
    except ProviderRefused as error:
        log.warning("the provider refuses to begin", link=str(link.pk), evidence=error.evidence)
        raise NotFound("This integration is not ready to be used.") from error
    except ProviderError as error:
        log.warning("the provider cannot be asked to begin", link=str(link.pk), evidence=error.evidence)
        raise InvalidInput(
            "provider", _("The provider could not be reached just now. Please try again in a minute.")
        ) from error


def checked_config(link: ConnectLink, provider: Provider, typed: Mapping[str, str]) -> dict[str, str]:
    """Stored and typed values together, checked before any network call (CON-19)."""
    staff_fields = {field.name for field in provider.connection_fields if field.asked_of == "staff"}
    known = {name: value for name, value in known_values(link).items() if name not in staff_fields}
    asked = {field.name for field in provider.connection_fields if field.asked_of != "staff"}
    given = {**{name: value for name, value in typed.items() if name in asked}, **known}
    try:
        return catalogue.check_connection_fields(provider, given, asked_of=("customer", "partner"))
    except MissingValue as error:
        raise InvalidInput(error.field, _("Please fill this in.")) from error
    except InvalidConnectionField as error:
        raise InvalidInput(error.field, f"This {error.reason}.") from error
