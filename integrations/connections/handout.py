"""Handing an access token to the partner itself: the one way out, and an entry in the audit trail each time."""

from __future__ import annotations

from django.db import transaction

from accounts import audit
from accounts.audit import Actor
from integrations import tokens
from integrations.errors import InvalidInput
from integrations.models import Connection
from integrations.tokens import AccessToken


def hand_out(connection: Connection, *, actor: Actor) -> AccessToken:
    """A fresh access token for the caller to use elsewhere; the audit entry is written before it is returned.

    Raises what tokens.ensure_fresh raises, and InvalidInput for what a customer has typed: their page says that
    it is never shown again.
    """
    if connection.integration.provider.auth_kind in ("api_key", "basic"):
        raise InvalidInput(
            "UUID", "What a customer has typed is not handed out. Make the call through the proxy."
        )
    token = tokens.ensure_fresh(connection.pk)
    with transaction.atomic():
        audit.record(
            "connection.token_read", connection, actor=actor, changes={"token_version": token.version}
        )
    return token
