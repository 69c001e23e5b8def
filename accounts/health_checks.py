"""What must be well for requests and jobs to be served: database, broker, worker, keys."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from accounts import health, key_words
from accounts.health import Health
from accounts.models import WorkerHeartbeat

WORKER_MAX_AGE = timedelta(seconds=45)
SURVEY_SECONDS = 5.0


def database() -> Health:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return Health(True)


def broker() -> Health:
    from celery import current_app

    with current_app.connection_for_write() as broker_connection:
        broker_connection.ensure_connection(max_retries=1, timeout=2)
    return Health(True)


def worker() -> Health:
    """A worker is well when a heartbeat, sent by beat through the broker, was handled lately."""
    newest = WorkerHeartbeat.objects.order_by("-beaten_at").first()
    if newest is None:
        return Health(
            False, "No worker has answered yet. Start `celery -A config worker` and `celery -A config beat`."
        )
    age = timezone.now() - newest.beaten_at
    if age > WORKER_MAX_AGE:
        return Health(False, f"The last worker heartbeat is {int(age.total_seconds())} s old.")
    return Health(True)


def keys() -> Health:
    from sealing.health import keys_are_well

    is_well, detail = keys_are_well()
    return Health(is_well, detail)


def all_keys() -> Health:
    """The keys, and whether they open what is stored: all of it, or what a few seconds allow."""
    by_canary = keys()
    if not by_canary.is_well:
        return by_canary
    from sealing import survey

    found = survey.take(seconds=SURVEY_SECONDS)
    return Health(not found.total("unreadable"), key_words.in_a_sentence(found))


for _name, _check in (("database", database), ("broker", broker), ("worker", worker)):
    health.register(_name, _check)
health.register("keys", keys, thorough=all_keys)
