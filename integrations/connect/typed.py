"""Connecting with what the customer types here: a key, a user name and a password, or a client of his own.

There is no page of consent. The values are tried at the provider before anything is kept, and never shown again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from integrations import catalogue
from integrations.catalogue import ConnectionSecret, Provider
from integrations.connect import attempts, completion, granted
from integrations.connect.callback import Finished, outcome_of
from integrations.connect.granted import Granted
from integrations.errors import ConnectFailed, InvalidInput, ProviderError, ProviderRefused
from integrations.models import AuthorizationAttempt, ConnectLink
from integrations.models.link import Outcome
from integrations.oauth import state
from integrations.oauth.members import Members
from integrations.oauth.token_response import TokenResponse
from integrations.oauth.verdicts import Verdict
from integrations.provider_calls import Identity
from integrations.tokens import ClientGrant, client_grant

#: values tried for one connection within the life of an attempt; then the customer has to wait
MOST_TRIES = 10
MAX_CHARACTERS = 4_096
_REFUSED = frozenset({401, 403})
_WORDS = {"empty": _("Please fill this in."), "unusable": "This must not contain control characters."}


class TooManyTries(InvalidInput):
    """Values were tried so often for one connection that somebody may be guessing."""


def submit(
    link: ConnectLink, *, browser_secret: str, values: Mapping[str, str], secrets: Mapping[str, str]
) -> Finished:
    """Connect at once. values belong to the connection fields, secrets to the entry's connection_secrets, by name.

    Raises LinkUnusable, NotFound, and InvalidInput, whose field is that of a connection field or `secrets.<name>`.
    Every later trouble is an outcome.
    """
    provider, client = attempts.ready(link)
    config = attempts.checked_config(link, provider, values)
    checked = {
        secret.name: check_secret(provider, secret, secrets.get(secret.name, ""))
        for secret in provider.connection_secrets
    }
    _require_patience(link)
    attempt = attempts.make(
        link,
        client,
        state_value=state.new_state(),
        browser_secret=browser_secret,
        config=config,
        claimed_at=timezone.now(),
        outcome=Outcome.EXCHANGING,
    )
    completion.complete(attempt, partial(_obtain, attempt, checked))
    attempt.refresh_from_db()
    return outcome_of(attempt)


def check_secret(provider: Provider, secret: ConnectionSecret, value: str) -> str:
    """The value without white space around it. Raises InvalidInput, which does not repeat it."""
    field, cleaned = f"secrets.{secret.name}", value.strip()
    if not cleaned:
        raise InvalidInput(field, _WORDS["empty"])
    if len(cleaned) > MAX_CHARACTERS or not cleaned.isprintable() or not _fits(provider, secret, cleaned):
        raise InvalidInput(field, _WORDS["unusable"])
    if secret.pattern and not re.fullmatch(secret.pattern, cleaned):
        raise InvalidInput(field, f"This must look like {secret.example}.")
    return cleaned


def _fits(provider: Provider, secret: ConnectionSecret, value: str) -> bool:
    """What a header field can carry; a user name ends at the first colon (RFC 7617 section 2)."""
    if provider.auth_kind == "basic" and secret.name == "username" and ":" in value:
        return False
    return value.isascii() or provider.api.credential.kind in ("basic", "query")


def _require_patience(link: ConnectLink) -> None:
    since = timezone.now() - timedelta(seconds=settings.ATTEMPT_SECONDS)
    # Of its connection, since whoever holds its signed address makes as many links as he likes.
    tries = AuthorizationAttempt.objects.filter(link__connection_id=link.connection_id, created_at__gt=since)
    if tries.count() >= MOST_TRIES:
        raise TooManyTries("secrets", _("This was tried too often. Please wait ten minutes."))


def credential(provider: Provider, secrets: Mapping[str, str]) -> str:
    """What is kept of the values as the credential of calls. Raises catalogue.MissingValue."""
    default = "{username}:{password}" if provider.auth_kind == "basic" else "{api_key}"
    return catalogue.render(provider.secret_template or default, secrets)


def _obtain(attempt: AuthorizationAttempt, secrets: Mapping[str, str]) -> Granted:
    provider = attempt.client.integration.provider
    if provider.auth_kind == "oauth2_client_credentials":
        return _by_client(attempt, secrets)
    response = TokenResponse(
        access_token=credential(provider, secrets),
        refresh_token=None,
        token_type=provider.auth_kind,
        expires_in=None,
        refresh_token_expires_in=None,
        scopes=None,
        raw={},
        members=Members({}),
    )
    identity = _proved(attempt, response)
    return Granted(response, {}, identity)


def _proved(attempt: AuthorizationAttempt, response: TokenResponse) -> Identity:
    """The account that the values open. Raises ConnectFailed."""
    try:
        return granted.look_up(attempt, response, granted.config_of(attempt), proves_credential=True)
    except ProviderError as error:
        is_answered = (
            error.status is not None and 200 <= error.status < 300
        )  # with what `must` says it must not
        if error.status in _REFUSED or is_answered:
            raise ConnectFailed("refused", "") from error
        raise granted.failed(error) from error


def _by_client(attempt: AuthorizationAttempt, secrets: Mapping[str, str]) -> Granted:
    """RFC 6749 section 4.4. A token that came is proof enough; the account may be told later."""
    grant = ClientGrant(secrets.get("client_id", ""), secrets.get("client_secret", ""))
    try:
        response = client_grant.fetch(
            attempt.client, grant, scopes=attempt.scopes, values=granted.config_of(attempt)
        )
    except ProviderError as error:
        if isinstance(error, ProviderRefused) and grant.client_id and error.verdict != Verdict.TEMPORARY:
            raise ConnectFailed("refused", error.error[:100]) from error
        raise granted.failed(error) from error
    rules = attempt.client.integration.provider.oauth.token_captures
    kept = replace(response, refresh_token=grant.stored())
    return granted.with_account(attempt, kept, captured={}, rules=rules)
