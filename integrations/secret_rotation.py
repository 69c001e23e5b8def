"""Exchanging a client secret without a gap: while the next one is stored beside it, both are tried."""

from __future__ import annotations

from django.db import transaction

from accounts import audit
from accounts.audit import Actor
from integrations import setup, tokens
from integrations.errors import InvalidInput
from integrations.models import ClientCredentials, Integration
from sealing import UnreadableSecret


def promote(integration: Integration, *, actor: Actor) -> None:
    """The secret that is being rotated in becomes the secret. Raises InvalidInput when there is none to read."""
    with transaction.atomic():
        client = _rotating(integration)
        try:
            secret = tokens.client_secret(client, is_next=True)
        except UnreadableSecret as error:
            raise InvalidInput(
                "next_client_secret", "The next secret cannot be read; enter it again."
            ) from error
        assert secret is not None
        client.client_secret = secret
        client.client_secret_last4 = secret.last4
        client.next_client_secret = None
        client.rejected_since = None
        client.save(update_fields=setup.CLIENT_FIELDS)
        setup.retry_connections(client)
        changes = {"client_secret": "replaced by the next one", "client_id": client.client_id}
        audit.record("integration.secret_promoted", integration, actor=actor, changes=changes)


def discard(integration: Integration, *, actor: Actor) -> None:
    """Forget the secret that was to be rotated in. Raises InvalidInput when there is none."""
    with transaction.atomic():
        client = _rotating(integration)
        client.next_client_secret = None
        client.save(update_fields=["next_client_secret"])
        changes = {"next_client_secret": "discarded", "client_id": client.client_id}
        audit.record("integration.secret_discarded", integration, actor=actor, changes=changes)


def _rotating(integration: Integration) -> ClientCredentials:
    rows = ClientCredentials.objects.select_for_update().filter(integration=integration, is_current=True)
    client = rows.filter(next_client_secret__isnull=False).first()
    if client is None:
        raise InvalidInput("next_client_secret", "There is no next secret.")
    return client
