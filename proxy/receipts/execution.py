"""Making the call of a receipt, as any other call is made, on the data plane's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils import timezone

from accounts import request_context
from accounts.api import problems
from accounts.api.problems import Problem
from accounts.models import Credential
from accounts.models.partner import Permission
from proxy import lookups, routes
from proxy.envelope import Envelope
from proxy.forwarder import Call, forward
from proxy.models.receipt import State
from proxy.plane import DataPlane
from proxy.receipts import claims, contents, outcomes, room
from proxy.receipts.claims import Claim
from proxy.receipts.contents import StoredReply, StoredRequest
from proxy.receipts.outcomes import MAX_RESULT_BYTES, Outcome
from proxy.record import COMPLETED, Record
from proxy.replies import Reply
from proxy.requests import enveloped_call
from proxy.routes import Route
from proxy.selectors import Selector

log = structlog.get_logger(__name__)

#: what of ours passes, which Retry-After tells, puts a call off, until so long after it was first taken up
PATIENCE = timedelta(minutes=15)
_LONGEST_PAUSE_SECONDS = 60.0
#: until a call is taken up again that a database which was away has kept from being sent
_AWAY_SECONDS = 5.0
#: how long it is tried to commit an end, for a database that is started anew or moved
SETTLE_SECONDS = 600.0
#: no longer, so that a result is stored before others see to the lease that the outage has let run out
_LONGEST_WAIT_SECONDS = 5.0


class _ClaimLost(Exception):
    """Another process holds the receipt, or it is gone: nothing is sent, nothing is stored."""


async def make(plane: DataPlane, claimed: Claim) -> None:
    """Make the call and store what came of it. Cancelled before anything was sent, it hands the receipt back.

    Raises nothing but CancelledError, and what storing raises in the end.
    """
    receipt = claimed.receipt
    context = request_context.enter(receipt.request_id, None)
    record = _record_of(plane, claimed)
    try:
        outcome = await _outcome(plane, claimed, record)
        if outcome is not None:
            await _settle(plane, claimed, lambda: outcomes.finish(claimed, outcome))
    except _ClaimLost:
        log.warning("receipt left to another process", receipt=str(receipt.pk))
    except asyncio.CancelledError:
        await _hand_back(plane, claimed)
        raise
    finally:
        request_context.leave(context)


def _record_of(plane: DataPlane, claimed: Claim) -> Record:
    receipt = claimed.receipt
    record = Record(receipt.method)
    record.request_id, record.door, record.slug = receipt.request_id, "envelope", receipt.integration.slug
    record.partner_id, record.credential_id = receipt.partner_id, receipt.credential_id
    record.observers = plane.observers
    return record


async def _outcome(plane: DataPlane, claimed: Claim, record: Record) -> Outcome | None:
    """What came of it; None when the call was put off."""
    try:
        return await _called(plane, claimed, record)
    except _ClaimLost:
        raise
    except Exception as error:  # noqa: BLE001 (answered as the view answers it)
        pause = None if record.sent_at else _pause_seconds(claimed, error)
        if pause is not None:
            await _settle(plane, claimed, lambda: claims.defer(claimed, seconds=pause))
            return None
        outcome = outcomes.of_error(error, request_id=claimed.receipt.request_id, record=record)
        record.status = 0 if outcome.reply is None else outcome.reply.status
        record.end(COMPLETED)
        return outcome


def _pause_seconds(claimed: Claim, error: Exception) -> float | None:
    """For how long to put off a call that has not been sent; None when this is its end.

    The forwarder notes the moment at which it begins to send: before it, nothing has left, whatever the mark says.
    """
    if isinstance(error, (OperationalError, InterfaceError)):
        log.warning("receipt put off", receipt=str(claimed.receipt.pk), error=type(error).__name__)
        return _AWAY_SECONDS
    problem = problems.from_exception(error)
    if problem is None or "retryAfter" not in problem.members:
        return None
    receipt = claimed.receipt
    if timezone.now() - (receipt.begun_at or receipt.created_at) >= PATIENCE:
        return None
    return min(float(problem.members["retryAfter"]), _LONGEST_PAUSE_SECONDS)


async def _called(plane: DataPlane, claimed: Claim, record: Record) -> Outcome:
    """Raises what any call may raise, and _ClaimLost."""
    route, request = await plane.reads.run(_prepared, claimed)
    record.connection_id, record.provider_id = route.connection_id, route.provider.id
    await lookups.freshen(plane, route, timeout_seconds=request.timeout_seconds)
    call = _call(claimed, route, request, record)
    claimed.is_sending = True
    if not await plane.reads.run(claims.mark_sent, claimed):
        raise _ClaimLost
    reply = await forward(plane, route, call)
    try:
        if call.method == "HEAD":
            reply.says_it_is_empty()
        content = await _content(reply.belongs_to(record))
    finally:
        await reply.close()
    if content is None:
        return Outcome(State.RESULT_TOO_LARGE, StoredReply(reply.status, reply.fields))
    return Outcome(State.COMPLETED, StoredReply(reply.status, reply.fields, content))


def _prepared(claimed: Claim) -> tuple[Route, StoredRequest]:
    """Everything that is asked of a call is asked again: the partner, its credential and the customer may have
    changed their minds."""
    receipt = claimed.receipt
    live = Credential.objects.live(timezone.now()).select_related("partner")
    credential = live.filter(pk=receipt.credential_id).first()
    if credential is None:
        raise Problem(
            "not_authenticated", "The credential has expired or was revoked since the call was taken in."
        )
    if Permission.PROXY not in credential.permissions:
        raise Problem("permission_denied", f"The credential lacks the permission {str(Permission.PROXY)!r}.")
    route = routes.resolve(credential, _selector(claimed))
    request = contents.request_of(receipt.pk)
    if request is None:
        raise _ClaimLost
    room.require_for_result(receipt)
    return route, request


def _selector(claimed: Claim) -> Selector:
    receipt = claimed.receipt
    return Selector(receipt.integration.slug, None, receipt.connection_id, None)


def _call(claimed: Claim, route: Route, request: StoredRequest, record: Record) -> Call:
    """The call, its destination proved anew. Raises Problem."""
    receipt = claimed.receipt
    envelope = Envelope(_selector(claimed), receipt.method, request.url, request.fields, request.body)
    return enveloped_call(
        envelope, route, record, timeout_seconds=request.timeout_seconds, retries=request.retries
    )


async def _content(reply: Reply) -> bytes | None:
    """All of the content, or None as soon as it is longer than is kept. Raises EgressError when it breaks off."""
    parts: list[bytes] = []
    size = 0
    async for chunk in reply.chunks():
        size += len(chunk)
        if size > MAX_RESULT_BYTES:
            return None
        parts.append(chunk)
    return b"".join(parts)


async def _settle(plane: DataPlane, claimed: Claim, end: Callable[[], bool]) -> None:
    """Commit how the claim ends. Try more than once: what is lost here is nowhere else. Raises _ClaimLost."""
    clock = asyncio.get_running_loop().time
    give_up_at, pause = clock() + SETTLE_SECONDS, 0.5
    while True:
        try:
            if not await plane.reads.run(end):
                raise _ClaimLost
            return
        except (DatabaseError, InterfaceError) as error:
            if clock() >= give_up_at:
                raise
            log.warning(
                "receipt not settled yet", receipt=str(claimed.receipt.pk), error=type(error).__name__
            )
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_WAIT_SECONDS)


async def _hand_back(plane: DataPlane, claimed: Claim) -> None:
    """Once: who is told to end does not wait for a database. Without it the lease runs out."""
    try:
        await plane.reads.run(claims.hand_back, claimed)
    except (DatabaseError, InterfaceError) as error:
        log.warning("receipt left to its lease", receipt=str(claimed.receipt.pk), error=type(error).__name__)
