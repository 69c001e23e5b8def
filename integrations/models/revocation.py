"""PendingRevocation: tokens of a connection that is gone, kept sealed until the provider was told."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta

from django.db import models
from django.utils import timezone

from integrations.models.connection import Connection
from integrations.models.integration import ClientCredentials
from sealing import SealedField, seal

GIVE_UP_AFTER = timedelta(days=3)


class PendingRevocationQuerySet(models.QuerySet["PendingRevocation"]):
    def remember(
        self, connection: Connection, client: ClientCredentials, tokens: Mapping[str, str]
    ) -> PendingRevocation:
        """Keep the tokens of a connection that is being ended ({"access_token": …, "refresh_token": …})."""
        return self._keep(uuid.uuid4(), connection, client, tokens)

    def remember_discarded(
        self, connection: Connection, client: ClientCredentials, tokens: Mapping[str, str]
    ) -> PendingRevocation | None:
        """Keep a pair that a refresh brought for a connection which had been ended meanwhile (REF-20).

        None when the row is not a tombstone: a pair that another process has stored is in use.
        """
        is_ended = Connection.objects.filter(pk=connection.pk, status="disconnected").exists()
        pk = discarded_id(connection.pk)
        if not is_ended or self.filter(pk=pk).exists():  # one refresh at a time, so one pair at most
            return None
        return self._keep(pk, connection, client, tokens)

    def _keep(
        self, pk: uuid.UUID, connection: Connection, client: ClientCredentials, tokens: Mapping[str, str]
    ) -> PendingRevocation:
        now = timezone.now()
        sealed = {
            name: seal(value, model=PendingRevocation, field=name, pk=pk) for name, value in tokens.items()
        }
        return self.create(
            id=pk,
            connection=connection,
            client=client,
            next_attempt_at=now,
            give_up_at=now + GIVE_UP_AFTER,
            **sealed,
        )


class PendingRevocation(models.Model):
    """Work of a job: revoke at the provider. The row goes when that is confirmed or given up."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(ClientCredentials, on_delete=models.CASCADE, related_name="+")
    access_token = SealedField(null=True)
    refresh_token = SealedField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_index=True)
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    give_up_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PendingRevocationQuerySet.as_manager()

    def __str__(self) -> str:
        return f"revocation of {self.connection_id}"

    @property
    def is_of_discarded_pair(self) -> bool:
        """Whether these tokens came too late to be the connection's: its end is told without them."""
        return self.pk == discarded_id(self.connection_id)


def discarded_id(connection_id: uuid.UUID) -> uuid.UUID:
    """The id of the row that keeps a connection's discarded pair."""
    return uuid.uuid5(connection_id, "discarded by a refresh")
