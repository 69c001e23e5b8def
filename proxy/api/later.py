"""The answer to a call that prefers to be made later: 202 with a receipt, or the reply if it comes soon."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError
from django.http import JsonResponse

from accounts import request_context
from accounts.api.problems import Problem
from accounts.models import Credential
from integrations.errors import ConnectionNotFound
from integrations.models import Connection
from integrations.models.connection import Status
from proxy import tasks
from proxy.envelope import Envelope
from proxy.models import Receipt
from proxy.models.receipt import OPEN, State
from proxy.plane import DataPlane
from proxy.receipts import contents, intake, shown
from proxy.receipts.contents import StoredReply, StoredRequest
from proxy.receipts.preference import Preference
from proxy.record import INTAKE
from proxy.replies import Reply, ours
from proxy.sending import Call

log = structlog.get_logger(__name__)

_FIRST_RETRY_SECONDS = 1
_FIRST_LOOK_SECONDS = 0.05
_LONGEST_LOOK_SECONDS = 0.5
_LAST_LOOK_SECONDS = 1.0


async def answer(
    plane: DataPlane,
    credential: Credential,
    connection_id: UUID,
    *,
    envelope: Envelope,
    call: Call,
    preferred: Preference,
) -> Reply:
    """Take the call in, and wait for it as long as the caller would rather.

    Raises what intake.take_in raises, and ConnectionNotFound when the connection has ended meanwhile: of which no
    reply is given any more.
    """
    call.record.door, call.record.connection_id = INTAKE, connection_id
    request = StoredRequest(envelope.url, envelope.fields, envelope.body, call.retries, call.timeout_seconds)
    receipt = await plane.reads.run(_taken_in, credential, connection_id, request, call)
    stored = (
        await _waited_for(plane, receipt, seconds=preferred.wait_seconds) if preferred.wait_seconds else None
    )
    if stored is not None:
        return Reply(stored.status, stored.fields, content=stored.content)
    return _accepted(receipt, request_id=call.record.request_id, preferred=preferred)


def _taken_in(credential: Credential, connection_id: UUID, request: StoredRequest, call: Call) -> Receipt:
    receipt = intake.take_in(credential, connection_id, request, call=call)
    tasks.run_soon()
    return receipt


async def _waited_for(plane: DataPlane, receipt: Receipt, *, seconds: float) -> StoredReply | None:
    """The reply, or None when it does not come in time, or cannot be read now: the receipt stands all the same."""
    ends = asyncio.get_running_loop().time() + seconds
    try:
        async with asyncio.timeout_at(ends + _LAST_LOOK_SECONDS):  # also with a database that does not answer
            return await _looked_for(plane, receipt, ends=ends)
    except TimeoutError:
        return None


async def _looked_for(plane: DataPlane, receipt: Receipt, *, ends: float) -> StoredReply | None:
    clock, pause = asyncio.get_running_loop().time, _FIRST_LOOK_SECONDS
    while (left := ends - clock()) > 0:
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_LOOK_SECONDS)
        try:
            is_over, reply = await plane.reads.run(_looked_at, receipt)
        except (DatabaseError, InterfaceError, Problem) as error:
            log.warning("receipt not read yet", receipt=str(receipt.pk), error=type(error).__name__)
            continue
        if is_over:
            return reply
    return None


def _looked_at(receipt: Receipt) -> tuple[bool, StoredReply | None]:
    """Whether the call is over, and the reply if there is one. Raises Problem when no key opens it."""
    state = Receipt.objects.filter(pk=receipt.pk).values_list("state", flat=True).first()
    if state in OPEN:
        return False, None
    reply = contents.reply_of(receipt.pk) if state in (State.COMPLETED, State.FAILED) else None
    # Asked after the reply was read: an end of the connection that comes later is later than this answer.
    ended = Connection.objects.filter(pk=receipt.connection_id, status=Status.DISCONNECTED)
    if state != State.FAILED and ended.exists():
        raise ConnectionNotFound("No such connection.")
    return True, reply


def _accepted(receipt: Receipt, *, request_id: str, preferred: Preference) -> Reply:
    response = JsonResponse(shown.receipt_data(receipt), status=202)
    waited = f", wait={preferred.wait_seconds}" if preferred.wait_seconds else ""
    for name, value in {
        "Location": f"{shown.PATH}{receipt.pk}",
        "Preference-Applied": f"respond-async{waited}",
        "Retry-After": str(_FIRST_RETRY_SECONDS),
        "Cache-Control": "no-store",
        request_context.REQUEST_ID_HEADER: request_id,
    }.items():
        response.headers[name] = value
    return ours(response)
