"""Ending a connection: the secrets go at once, the provider is told by a job that tries again."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import NamedTuple

import structlog
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from accounts.models.event import EventType
from integrations import provider_calls, states, tokens
from integrations.catalogue import TemplateError, UnknownProvider
from integrations.connections import last_tokens, shared_grants
from integrations.connections.shared_grants import NO_WAY
from integrations.errors import ConnectionNotFound, ProviderError, ProviderRefused
from integrations.models import Connection, ConnectLink, PendingRevocation
from integrations.models.connection import Status
from integrations.oauth.verdicts import Verdict
from integrations.provider_calls import Revoked
from integrations.tokens import lease
from integrations.tokens.openers import with_either_secret
from integrations.tokens.refresh import load
from sealing import UnreadableSecret

log = structlog.get_logger(__name__)
_LEASE = timedelta(seconds=60)
_FIRST_WAIT = timedelta(minutes=1)


class _Try(NamedTuple):
    """What came of one try; outcome None asks for another. evidence is a sentence for the audit trail."""

    outcome: Revoked | None
    evidence: str


class _Ending(NamedTuple):
    """How a grant's end was told, or why it was not."""

    outcome: Revoked
    evidence: str


def disconnect(connection: Connection, *, actor: Actor) -> uuid.UUID | None:
    """Make the connection a tombstone without secrets; returns the id of the revocation to carry out, if any.

    What a refresh in flight brings afterwards is discarded, since it writes only to rows that are usable, and is
    revoked too (PendingRevocation.objects.remember_discarded).
    Raises ConnectionNotFound when there is none (any more).
    """
    now = timezone.now()
    with transaction.atomic():
        _lock(connection.pk)
        connection = load(connection.pk)
        if connection.status in {Status.DISCONNECTED, Status.PENDING}:
            raise ConnectionNotFound("No such connection.")
        revocation, without = _remember_tokens(connection)
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
            members={"revocation": without.outcome.value} if without else None,
            is_silent=without is None,  # the event comes when the provider has answered
        )
        if not ended:
            raise RuntimeError("The connection changed while it was being ended.")
        if without is not None:
            _audit(connection, without)
        ConnectLink.objects.filter(connection=connection, completed_at=None, revoked_at=None).update(
            revoked_at=now
        )
    return revocation.pk if revocation else None


def _lock(connection_id: uuid.UUID) -> None:
    """Let no refresh store a result between our look and our change (SQLite holds writers off by itself)."""
    Connection.objects.select_for_update().filter(pk=connection_id).values_list("pk").first()


def _remember_tokens(connection: Connection) -> tuple[PendingRevocation | None, _Ending | None]:
    """Keep the tokens, sealed for their new row, until the provider was told; or say why there is nothing to tell.

    Whether others would lose their access is for the job to ask: two that share an account and end at the same
    moment would both see the other alive here, and nobody would revoke.
    """
    client = connection.client
    if client is None or (connection.access_token is None and connection.refresh_token is None):
        return None, _Ending(Revoked.UNSUPPORTED, "no tokens were stored")
    if not _has_way_to_revoke(connection):
        return None, _Ending(Revoked.UNSUPPORTED, NO_WAY)
    opened = last_tokens.worth_keeping(connection, now=timezone.now())
    if not opened:
        return None, _Ending(Revoked.FAILED, "the stored tokens cannot be read")
    return PendingRevocation.objects.remember(connection, client, opened), None


def _has_way_to_revoke(connection: Connection) -> bool:
    try:
        return connection.integration.provider.revocation is not None
    except UnknownProvider:
        return True  # local deletion always succeeds (REF-32); the job asks again when the entry is back


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
    found = _ask(revocation)
    now = timezone.now()
    if found.outcome is None and now < revocation.give_up_at:
        wait = min(_FIRST_WAIT * 2 ** min(revocation.attempts, 6), timedelta(hours=1))
        rows.filter(lease_owner=owner).update(
            attempts=revocation.attempts + 1,
            next_attempt_at=now + wait,
            lease_owner=None,
            lease_expires_at=None,
        )
        return None
    ended = _Ending(found.outcome or Revoked.FAILED, found.evidence)
    _finish(revocation, owner, ended)
    return ended.outcome


def _ask(revocation: PendingRevocation) -> _Try:
    """Tell the provider, unless others would lose their access by it."""
    connection = revocation.connection
    try:
        provider = connection.integration.provider
        obstacle = shared_grants.obstacle(
            provider,
            client=revocation.client,
            account_id=connection.provider_account_id,
            opened=tokens.open_tokens(revocation),
        )
        if obstacle:
            return _Try(Revoked.UNSUPPORTED, obstacle)
        opened = last_tokens.usable(revocation, provider, now=timezone.now())
        outcome = with_either_secret(
            revocation.client,
            lambda client: provider_calls.revoke(
                provider, client=client, tokens=opened, values=connection.config_values()
            ),
        )
    except ProviderError as error:
        if isinstance(error, ProviderRefused) and error.verdict == Verdict.GRANT_GONE:
            return _Try(Revoked.CONFIRMED, "the grant had ended already")
        log.warning(
            "revocation failed, will be tried again", connection=str(connection.pk), evidence=error.evidence
        )
        return _Try(None, error.evidence)
    except UnreadableSecret:
        return _Try(None, "the stored token cannot be read")
    except UnknownProvider:
        return _Try(None, "the provider's catalogue entry is gone")
    except TemplateError as error:
        return _Try(Revoked.FAILED, str(error))
    return _Try(outcome, "")


def _finish(revocation: PendingRevocation, owner: uuid.UUID, ended: _Ending) -> None:
    """The end of a connection is told once: what a refresh brought after it is audited only."""
    connection = revocation.connection
    with transaction.atomic():
        deleted, _ = PendingRevocation.objects.filter(pk=revocation.pk, lease_owner=owner).delete()
        if deleted:
            _audit(connection, ended, is_of_discarded_pair=revocation.is_of_discarded_pair)
        if deleted and not revocation.is_of_discarded_pair:
            states.tell(connection, EventType.CONNECTION_DELETED, revocation=ended.outcome.value)


def _audit(connection: Connection, ended: _Ending, *, is_of_discarded_pair: bool = False) -> None:
    changes: dict[str, object] = {"revocation": ended.outcome.value, "evidence": ended.evidence[:500]}
    if is_of_discarded_pair:
        changes["tokens"] = "brought by a refresh after the connection had ended"
    audit.record("connection.revoked", connection, actor=Actor.system("revocation"), changes=changes)
