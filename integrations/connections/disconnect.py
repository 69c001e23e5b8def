"""Ending a connection: the secrets go at once, the provider is told by a job that tries again."""

from __future__ import annotations

import uuid
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from accounts.models.event import EventType
from integrations import provider_calls, states, tokens
from integrations.catalogue import TemplateError, UnknownProvider
from integrations.errors import ConnectionNotFound, ProviderError
from integrations.models import ClientCredentials, Connection, ConnectLink, PendingRevocation
from integrations.models.connection import Status
from integrations.provider_calls import Revoked
from integrations.tokens import lease
from integrations.tokens.refresh import load
from sealing import UnreadableSecret, seal

log = structlog.get_logger(__name__)
GIVE_UP_AFTER = timedelta(days=3)
_LEASE = timedelta(seconds=60)
_FIRST_WAIT = timedelta(minutes=1)


def disconnect(connection: Connection, *, actor: Actor) -> uuid.UUID | None:
    """Make the connection a tombstone without secrets; returns the id of the revocation to carry out, if any.

    What a refresh in flight brings afterwards is discarded, since it writes only to rows that are usable.
    Raises ConnectionNotFound when there is none (any more).
    """
    now = timezone.now()
    with transaction.atomic():
        _lock(connection.pk)
        connection = load(connection.pk)
        if connection.status in {Status.DISCONNECTED, Status.PENDING}:
            raise ConnectionNotFound("No such connection.")
        revocation = _remember_tokens(connection)
        ended = states.change(
            connection.pk,
            to=Status.DISCONNECTED,
            actor=actor,
            only_if={"status": connection.status, "token_version": connection.token_version},
            also={
                "access_token": None,
                "refresh_token": None,
                "access_token_expires_at": None,
                "refresh_token_expires_at": None,
                "next_refresh_at": None,
                "lease_owner": None,
                "lease_expires_at": None,
                "token_version": connection.token_version + 1,
                "disconnected_at": now,
            },
            event=EventType.CONNECTION_DELETED,
            members={"revocation": _without_revocation(connection).value},
            is_silent=revocation is not None,  # the event comes when the provider has answered
        )
        if not ended:
            raise RuntimeError("The connection changed while it was being ended.")
        ConnectLink.objects.filter(connection=connection, completed_at=None, revoked_at=None).update(
            revoked_at=now
        )
    return revocation.pk if revocation else None


def _lock(connection_id: uuid.UUID) -> None:
    """Let no refresh store a result between our look and our change (SQLite holds writers off by itself)."""
    Connection.objects.select_for_update().filter(pk=connection_id).values_list("pk").first()


def _remember_tokens(connection: Connection) -> PendingRevocation | None:
    """Keep the tokens, sealed for their new row, until the provider was told."""
    can_revoke = connection.client is not None and _may_revoke(connection)
    opened = tokens.open_tokens(connection) if can_revoke else {}
    if not opened or connection.client is None:
        return None
    pk = uuid.uuid4()
    now = timezone.now()
    sealed = {name: seal(value, model=PendingRevocation, field=name, pk=pk) for name, value in opened.items()}
    return PendingRevocation.objects.create(
        id=pk,
        connection=connection,
        client=connection.client,
        next_attempt_at=now,
        give_up_at=now + GIVE_UP_AFTER,
        **sealed,
    )


def _without_revocation(connection: Connection) -> Revoked:
    """What the event tells when no revocation is to follow."""
    is_stored = connection.access_token is not None or connection.refresh_token is not None
    if connection.client is None or not is_stored or not _may_revoke(connection):
        return Revoked.UNSUPPORTED
    return Revoked.FAILED  # there are tokens, and no key opens them


def _may_revoke(connection: Connection) -> bool:
    try:
        return not _would_end_others(connection)
    except UnknownProvider:
        return True  # local deletion always succeeds (REF-32); the job asks again when the entry is back


def _would_end_others(connection: Connection) -> bool:
    """Whether there is nothing to revoke with, or revoking would end other connections to the same account."""
    rules = connection.integration.provider.revocation
    if rules is None:
        return True
    if not rules.shared_by_account:
        return False
    account_id = connection.provider_account_id
    return connection.client is None or is_account_used(connection.client, account_id, besides=connection.pk)


def is_account_used(client: ClientCredentials, account_id: str, *, besides: uuid.UUID | None = None) -> bool:
    """Whether a living connection, through whichever integration, holds this client's grant on the account.

    An account that is not known, here or there, may be the same one. One whose grant is gone has nothing to lose.
    """
    made_with = Connection.objects.filter(
        status__in=[Status.ACTIVE, Status.REFRESH_FAILING, Status.PAUSED],
        integration__provider_id=client.integration.provider_id,
        client__client_id=client.client_id,
    )
    may_be_same = Q(provider_account_id__in=["", account_id]) if account_id else Q()
    others = made_with.filter(may_be_same)
    return (others if besides is None else others.exclude(pk=besides)).exists()


def carry_out_revocation(revocation_id: uuid.UUID) -> Revoked | None:
    """Try once. None: somebody else is at it, it is done already, or it will be tried again."""
    owner = uuid.uuid4()
    ends_at = lease.ends_at(_LEASE)
    rows = PendingRevocation.objects.filter(pk=revocation_id)
    # Its next try moves away with the lease: a row that breaks its worker must not stand first for ever.
    claimed = {"lease_owner": owner, "lease_expires_at": ends_at, "next_attempt_at": ends_at}
    if not rows.filter(lease.is_free()).update(**claimed):
        return None
    revocation = rows.select_related(
        "connection__integration", "connection__customer", "connection__partner", "client__integration"
    ).get()
    outcome, evidence = _ask(revocation)
    now = timezone.now()
    if outcome is None and now < revocation.give_up_at:
        wait = min(_FIRST_WAIT * 2 ** min(revocation.attempts, 6), timedelta(hours=1))
        rows.filter(lease_owner=owner).update(
            attempts=revocation.attempts + 1,
            next_attempt_at=now + wait,
            lease_owner=None,
            lease_expires_at=None,
        )
        return None
    outcome = outcome or Revoked.FAILED
    _finish(revocation, owner, outcome, evidence)
    return outcome


def _ask(revocation: PendingRevocation) -> tuple[Revoked | None, str]:
    """(outcome, evidence); outcome None asks for another try."""
    connection = revocation.connection
    try:
        if _would_end_others(connection):
            return Revoked.UNSUPPORTED, "the account has been connected again meanwhile"
        outcome = provider_calls.revoke(
            connection.integration.provider,
            client=tokens.client_authentication(revocation.client),
            tokens=tokens.open_tokens(revocation),
            values=connection.config_values(),
        )
    except ProviderError as error:
        log.warning(
            "revocation failed, will be tried again", connection=str(connection.pk), evidence=error.evidence
        )
        return None, error.evidence
    except UnreadableSecret:
        return None, "the stored token cannot be read"
    except UnknownProvider:
        return None, "the provider's catalogue entry is gone"
    except TemplateError as error:
        return Revoked.FAILED, str(error)
    return outcome, ""


def _finish(revocation: PendingRevocation, owner: uuid.UUID, outcome: Revoked, evidence: str) -> None:
    connection = revocation.connection
    with transaction.atomic():
        deleted, _ = PendingRevocation.objects.filter(pk=revocation.pk, lease_owner=owner).delete()
        if deleted:
            changes = {"revocation": outcome.value, "evidence": evidence}
            audit.record("connection.revoked", connection, actor=Actor.system("revocation"), changes=changes)
            states.tell(connection, EventType.CONNECTION_DELETED, revocation=outcome.value)
