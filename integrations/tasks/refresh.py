"""Refreshing ahead of use, and telling partners of grants that end for good."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import structlog
from celery import shared_task
from django.utils import timezone

from integrations import tokens
from integrations.catalogue import UnknownProvider
from integrations.errors import IntegrationsError
from integrations.schedules import once_a_slot
from integrations.tokens import ending, sweep
from sealing import UnreadableSecret

log = structlog.get_logger(__name__)
#: a message that has waited longer is worth nothing: beat has sent the next (OPS-02)
MESSAGE_SECONDS = 30
#: further workers that one run calls for while whole batches are due
MOST_HELPERS = 10


@shared_task(name="integrations.tasks.refresh_due", expires=MESSAGE_SECONDS)
def refresh_due(*, is_helper: bool = False) -> int:
    """Refresh what is due until nothing is, or until the time is over; returns how many tokens were renewed.

    Two at once share the work: each claims batches of its own. Helpers call no further helpers.
    """
    report = sweep.run(call_for_help=None if is_helper else _bounded_call())
    if report is None:
        return 0  # this process is at it
    if report.found:
        log.info("refreshed ahead of use", found=report.found, **report.endings)
    return report.renewed


def _bounded_call() -> Callable[[], None]:
    left = [None] * MOST_HELPERS

    def call() -> None:
        if left:
            left.pop()
            _send()

    return call


def _send() -> None:
    try:
        refresh_due.apply_async(kwargs={"is_helper": True}, retry=False)
    except Exception as error:  # noqa: BLE001 (whatever the broker raises, this run goes on alone)
        log.warning("no helper called", error=type(error).__name__)


@shared_task(name="integrations.tasks.refresh_connection", expires=300)
def refresh_connection(connection_id: str) -> bool:
    """Refresh one connection ahead of use; True when a fresh token is stored."""
    try:
        tokens.renew_ahead(UUID(connection_id))
    except (IntegrationsError, UnreadableSecret, UnknownProvider) as error:
        log.info("refresh ahead of use did not happen", connection=connection_id, error=type(error).__name__)
        return False
    return True


@shared_task(name="integrations.tasks.tell_ending_grants")
@once_a_slot
def tell_ending_grants() -> int:
    """Tell partners of grants that end for good soon, each once; returns how many (REF-23)."""
    return ending.tell_due(timezone.now())
