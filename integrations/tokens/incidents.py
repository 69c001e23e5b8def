"""Failed refreshes, kept for the connection's report: few for each connection, and not for ever."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from celery import current_task

from integrations.errors import ProviderError, ProviderRefused
from integrations.models import Connection, GrantIncident
from integrations.models.incident import Process
from integrations.oauth.verdicts import Verdict

#: for each connection; a failing one makes about 24 a day once its back-off has grown
KEPT = 50


def record(
    connection: Connection, error: ProviderError, *, now: datetime, next_try_at: datetime | None
) -> None:
    """Keep one failure and let the oldest beyond KEPT go; call inside the transaction that acts on it."""
    GrantIncident.objects.create(
        connection_id=connection.pk,
        at=now,
        verdict=error.verdict if isinstance(error, ProviderRefused) else Verdict.TEMPORARY,
        rule=(error.rule or "no answer came")[:120],
        error=error.error[:100] if isinstance(error, ProviderRefused) else "",
        http_status=error.status,
        evidence=error.evidence[:500],
        next_try_at=next_try_at,
        process=process_kind(),
        token_version=connection.token_version,
    )
    kept = GrantIncident.objects.filter(connection_id=connection.pk)
    kept.filter(pk__in=kept.order_by("-at").values("pk")[KEPT:]).delete()


def purge_incidents(before: datetime, limit: int) -> int:
    """Delete at most limit incidents older than that moment, oldest first; returns how many went."""
    old = GrantIncident.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)
    deleted, _ = GrantIncident.objects.filter(pk__in=list(old[:limit])).delete()
    return deleted


def process_kind() -> Process:
    """Who is running this code: a worker's task, a command of manage.py, or a server."""
    program = Path(sys.argv[0])
    if current_task or "celery" in {program.name, program.parent.name}:  # threads of a sweep know no task
        return Process.WORKER
    return Process.COMMAND if program.name == "manage.py" else Process.WEB
