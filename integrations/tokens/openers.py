"""The opener of provider secrets (design rule 1)."""

from __future__ import annotations

from integrations.models import ClientCredentials, Connection, PendingRevocation
from integrations.oauth.token_request import ClientAuthentication
from sealing import Secret


def client_secret(client: ClientCredentials, *, is_next: bool = False) -> Secret | None:
    """The client secret, or the one that is being rotated in. Raises sealing.UnreadableSecret."""
    sealed = client.next_client_secret if is_next else client.client_secret
    return None if sealed is None else sealed.open()


def client_authentication(client: ClientCredentials, *, is_next: bool = False) -> ClientAuthentication:
    """How this client proves itself at its provider. Raises sealing.UnreadableSecret."""
    oauth = client.integration.provider.oauth
    secret = client_secret(client, is_next=is_next)
    return ClientAuthentication(
        client_id=client.client_id,
        client_secret=secret.reveal() if secret else None,
        method=oauth.token_endpoint_auth_method,
        basic_encoding=oauth.basic_encoding,
    )


def open_tokens(row: Connection | PendingRevocation) -> dict[str, str]:
    """{"access_token": …, "refresh_token": …} without those that are missing or cannot be read."""
    opened = {}
    for name in ("access_token", "refresh_token"):
        sealed = getattr(row, name)
        if sealed is not None and sealed.is_readable():
            opened[name] = sealed.open().reveal()
    return opened
