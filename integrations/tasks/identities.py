"""Accounts that could not be read when the customer connected."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from integrations import connections
from integrations.schedules import once_a_slot
from integrations.tasks.sweeping import others_go_on

BATCH = 50


@shared_task(name="integrations.tasks.complete_identities")
@once_a_slot
def complete_identities() -> int:
    """Look up accounts that could not be read when the customer connected; returns how many were found."""
    found = 0
    for connection in list(connections.due_for_identity(timezone.now())[:BATCH]):
        with others_go_on("identity", connection.pk):
            found += connections.complete_identity(connection)
    return found
