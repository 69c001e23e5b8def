"""One refresh under a held lease: the call, the UPDATE that keeps what it brought, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, transaction
from django.db import connection as database

from integrations import provider_calls, scope_changes, states
from integrations.catalogue import TemplateError
from integrations.errors import ProviderError, ProviderRefused, ProviderUnavailable
from integrations.models import ClientCredentials, Connection, PendingRevocation
from integrations.models.connection import USABLE, Status
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.token_response import TokenResponse
from integrations.tokens import client_grant, lease, refusals
from integrations.tokens.openers import with_either_secret
from integrations.tokens.refusals import ACTOR, UNKNOWN_TRIES, end_grant
from integrations.tokens.store import token_columns
from sealing import UnreadableSecret

__all__ = ["UNKNOWN_TRIES", "end_grant", "finish_recovery", "refresh_under_lease", "store"]

log = structlog.get_logger(__name__)

#: a lease lasts 40 s and a call 15 s: what begins later than this might still run when another takes the lease
_LAST_START_SECONDS = 20
#: seconds between the tries to store a pair; the compare-and-swap holds however long it takes
_STORE_WAITS = (0.2, 1.0, 3.0)
#: busy or away; a connection that is closed; a server that takes no writes while another takes over from it
_PASSING = (OperationalError, InterfaceError, InternalError)


def refresh_under_lease(
    connection: Connection, *, owner: UUID, clock: Callable[[], datetime]
) -> ProviderError | None:
    """Refresh and store, or record why not and return that; the lease is given back in every case.

    Raises UnreadableSecret, a stored secret that no key opens, which changes no status; and RuntimeError inside
    a transaction, before the provider is asked.
    """
    is_stored = False
    failure: ProviderError | None = None
    try:
        if refusals.is_held_back(connection, now=clock()):
            return None
        try:
            response = _call(connection)
        except ProviderError as error:
            failure = error
            refusals.record(connection, error, now=clock())
        except (
            TemplateError
        ) as error:  # a value that the token endpoint's address needs is not there (any more)
            unaskable = ProviderError("The provider cannot be asked.", evidence=str(error))
            unaskable.rule = "the token endpoint's address lacks a value"
            refusals.record(connection, unaskable, now=clock())
        else:
            is_stored = _store_surely(connection, response, now=clock())
    finally:
        if not is_stored:  # what was stored has given the lease back in the same UPDATE
            lease.release(connection.pk, owner)
    return failure


def _call(connection: Connection) -> TokenResponse:
    """The token call: once more with the same refresh token when the reply was lost (REF-03).

    No call begins that could outlive the lease: two with one refresh token would look like theft (REF-07).
    """
    last_start = time.monotonic() + _LAST_START_SECONDS
    try:
        return _call_with_either_secret(connection, last_start=last_start)
    except ProviderUnavailable as error:
        if not error.outcome_unknown or time.monotonic() > last_start:
            raise
        log.warning("refresh reply lost, asking once more", connection=str(connection.pk))
        return _call_with_either_secret(connection, last_start=last_start)


def _call_with_either_secret(connection: Connection, *, last_start: float) -> TokenResponse:
    client = connection.client
    sealed = connection.refresh_token
    if client is None or sealed is None:
        raise UnreadableSecret("The connection holds no refresh token or no client.")
    refresh_token = sealed.open().reveal()
    # Of no other kind, else an imported token could ask for what the integration's own client may do.
    if connection.integration.provider.auth_kind == "oauth2_client_credentials":
        grant = client_grant.of_connection(connection.integration.provider, refresh_token)
        return client_grant.fetch(
            client, grant, scopes=connection.requested_scopes, values=connection.config_values()
        )

    def call(authentication: ClientAuthentication) -> TokenResponse:
        return provider_calls.refresh(
            connection.integration.provider,
            client=authentication,
            refresh_token=refresh_token,
            values=connection.config_values(),
        )

    def require_time(error: ProviderRefused) -> None:
        if time.monotonic() > last_start:
            sentence = "No time was left to try the other client secret."
            raise ProviderUnavailable(sentence, evidence=error.evidence) from error

    return with_either_secret(client, call, before_next=require_time)


def _store_surely(connection: Connection, response: TokenResponse, *, now: datetime) -> bool:
    """What the provider has rotated exists nowhere else: a database that is busy or away is asked again."""
    for wait in _STORE_WAITS:
        try:
            return store(connection, response, now=now)
        except _PASSING as error:
            if database.in_atomic_block:
                raise
            log.error("tokens not stored yet", connection=str(connection.pk), error=type(error).__name__)
            database.close()
            time.sleep(wait)
    return store(connection, response, now=now)


def store(connection: Connection, response: TokenResponse, *, now: datetime) -> bool:
    """Write the new pair if nobody else has written one meanwhile and the connection still lives (REF-20).

    One UPDATE that commits by itself: until it has, a pair that the provider has rotated exists in this process
    alone, so nothing else shares its transaction. What must follow comes after it, and is made up for when this
    process does not live to see it (finish_recovery).
    """
    oauth = connection.integration.provider.oauth
    columns = token_columns(connection, response, oauth=oauth, now=now)
    row = Connection.objects.filter(pk=connection.pk)
    live = row.filter(token_version=connection.token_version, status__in=[*USABLE, Status.PAUSED])
    is_stored = bool(live.update(**columns)) or _is_written(connection, now=now)
    if is_stored:
        _follow_up(connection, response)
    else:
        _discard(connection, response)
    return is_stored


def _discard(connection: Connection, response: TokenResponse) -> None:
    """A pair that no living row wants: the provider is told, where the connection was ended meanwhile (REF-20)."""
    log.warning("refresh result discarded, the row had moved on", connection=str(connection.pk))
    pair = {"access_token": response.access_token, "refresh_token": response.refresh_token}
    if connection.client is not None:
        brought = {name: token for name, token in pair.items() if token}
        with transaction.atomic():
            PendingRevocation.objects.remember_discarded(connection, connection.client, brought)


def _is_written(connection: Connection, *, now: datetime) -> bool:
    """Whether the UPDATE of an earlier try was committed although its answer was lost."""
    mine = {"token_version": connection.token_version + 1, "token_stored_at": now, "lease_owner": None}
    return Connection.objects.filter(pk=connection.pk, **mine).exists()


def _follow_up(connection: Connection, response: TokenResponse) -> None:
    """The end of a failing time and of an alarm, and other scopes than before.

    A database that fails here must not cost the caller its token.
    """
    try:
        if connection.status in {Status.REFRESH_FAILING, Status.PAUSED}:
            states.recover(connection.pk, actor=ACTOR)
        scope_changes.tell(connection, response.scopes, actor=ACTOR)
        _end_alarm(connection.client)
    except DatabaseError as error:
        if database.in_atomic_block:
            raise
        log.error("recovery not told yet", connection=str(connection.pk), error=type(error).__name__)


def finish_recovery(connection: Connection) -> bool:
    """Tell a recovery whose process died between storing the tokens and telling it; True when this call did.

    Such a row says refresh_failing and knows of no failure. Costs nothing for any other; for each use and sweep.
    """
    if connection.status != Status.REFRESH_FAILING or connection.refresh_failing_since is not None:
        return False
    return states.recover(connection.pk, actor=ACTOR)


def _end_alarm(client: ClientCredentials | None) -> None:
    is_in_doubt = client is not None and (client.rejected_since or client.last_refused_at) is not None
    if client is not None and is_in_doubt:
        ClientCredentials.objects.filter(pk=client.pk).update(rejected_since=None, last_refused_at=None)
