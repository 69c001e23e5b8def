"""Schedules and jobs of the proxy: one call into proxy.receipts each. docs/receipts.md tells what for."""

from __future__ import annotations

import math
from typing import Any

import structlog
from celery import shared_task
from celery.signals import worker_process_shutdown, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import transaction

from accounts import purging
from integrations import schedules
from integrations.schedules import once_a_slot
from proxy import plane
from proxy.receipts import claims, ending, recovery, runner
from proxy.receipts.messages import Sender

log = structlog.get_logger(__name__)
#: a message that has waited longer is worth nothing: the sweep has sent the next
MESSAGE_SECONDS = 30
#: workers that one sweep calls at most
MOST_CALLED = 10

schedules.DESCRIPTIONS["run-receipts"] = (
    "Makes calls that were taken in with respond-async and that no worker took up, and deletes expired receipts."
)


@shared_task(name="proxy.tasks.run_receipts", expires=MESSAGE_SECONDS)
def run_receipts() -> int | None:
    """Make the calls that are due; returns how many, None when this process is at it."""
    return runner.run()


@shared_task(name="proxy.tasks.sweep_receipts", expires=MESSAGE_SECONDS)
@once_a_slot
def sweep_receipts() -> int:
    """See to what dead workers have left and what no worker took up; returns how many rows were deleted."""
    recovery.recover()
    deleted = purging.in_chunks(ending.purge)
    places: int = settings.RECEIPTS_AT_ONCE
    for _ in range(math.ceil(claims.count_due(places * MOST_CALLED) / places)):
        _send()
    return deleted


def run_soon() -> None:
    """Have the calls made that the current transaction takes in, once it stands; without a broker, by the sweep.

    Does not wait for the broker.
    """
    transaction.on_commit(_sender.ask)


def _send() -> None:
    try:
        run_receipts.apply_async(retry=False)
    except Exception as error:  # noqa: BLE001 (whatever the broker raises, the rows stand)
        log.warning("receipts left to the sweep", error=type(error).__name__)


_sender = Sender(_send, most=MOST_CALLED)


@worker_shutting_down.connect
def _let_go(**_: Any) -> None:
    runner.stop()


@worker_shutdown.connect
@worker_process_shutdown.connect
def _close_plane(**_: Any) -> None:
    """Write what the calls have left to be written."""
    plane.stop_thread()
