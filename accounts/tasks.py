"""Schedules of accounts: the worker's heartbeat, old tokens."""

from __future__ import annotations

import socket

from celery import shared_task
from django.utils import timezone

from accounts import purging
from accounts.models import WorkerHeartbeat


@shared_task(name="accounts.tasks.worker_heartbeat", expires=30)
def worker_heartbeat() -> None:
    """Tell `readyz` that messages reach a worker."""
    WorkerHeartbeat.objects.update_or_create(
        name=socket.gethostname(), defaults={"beaten_at": timezone.now()}
    )


@shared_task(name="accounts.tasks.purge_issued_tokens")
def purge_issued_tokens() -> int:
    """Delete issued tokens that no longer open anything; returns how many."""
    return purging.in_chunks(purging.purge_issued_tokens)
