"""The opener of provider secrets (design rule 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import connection as database
from django.db import transaction

from integrations import catalogue
from integrations.errors import ProviderRefused
from integrations.models import ClientCredentials, Connection, PendingRevocation
from integrations.oauth.client_assertion import AssertionRules
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.verdicts import Verdict
from sealing import Secret

T = TypeVar("T")
#: begins what stands in the refresh token's place for client credentials; no provider is ever shown it
CLIENT_GRANT = "client-credentials:"


def client_secret(client: ClientCredentials, *, is_next: bool = False) -> Secret | None:
    """The client secret, or the one that is being rotated in. Raises sealing.UnreadableSecret."""
    sealed = client.next_client_secret if is_next else client.client_secret
    return None if sealed is None else sealed.open()


def client_authentication(client: ClientCredentials, *, is_next: bool = False) -> ClientAuthentication:
    """How this client proves itself at its provider. Raises sealing.UnreadableSecret."""
    provider = client.integration.provider
    oauth = provider.oauth
    secret = client_secret(client, is_next=is_next)
    audience = None
    if oauth.client_assertion.audience == "issuer" and oauth.issuer:
        audience = catalogue.render_url(provider, oauth.issuer, client.integration.connection_config)
    return ClientAuthentication(
        client_id=client.client_id,
        client_secret=secret.reveal() if secret else None,
        method=oauth.token_endpoint_auth_method,
        basic_encoding=oauth.basic_encoding,
        assertion=AssertionRules(alg=oauth.client_assertion.alg, audience=audience, key_id=client.app_id),
    )


def with_either_secret(
    client: ClientCredentials,
    call: Callable[[ClientAuthentication], T],
    *,
    before_next: Callable[[ProviderRefused], None] | None = None,
) -> T:
    """Call with the client secret, and once more with the one that is being rotated in when our client is wrong.

    before_next may raise instead. Raises what call raises, sealing.UnreadableSecret, and RuntimeError inside a
    transaction.
    """
    _require_no_transaction()
    try:
        return call(client_authentication(client))
    except ProviderRefused as error:
        if error.verdict != Verdict.CLIENT_WRONG or client.next_client_secret is None:
            raise
        if before_next is not None:
            before_next(error)
        return call(client_authentication(client, is_next=True))


def _require_no_transaction() -> None:
    """Before a code or a refresh token is spent: its outcome must not go with somebody's rollback (OPS-07)."""
    if database.in_atomic_block:
        with transaction.atomic(durable=True):  # raises, except in the transaction around a test
            pass


def open_tokens(row: Connection | PendingRevocation) -> dict[str, str]:
    """{"access_token": …, "refresh_token": …} without those that are missing, cannot be read or
    are no tokens."""
    opened = {}
    for name in ("access_token", "refresh_token"):
        sealed = getattr(row, name)
        if sealed is not None and sealed.is_readable():
            value = sealed.open().reveal()
            if not value.startswith(CLIENT_GRANT):
                opened[name] = value
    return opened
