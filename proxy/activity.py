"""What a connection was used for, for its customer: calls by kind out of the traffic log, nothing of their content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Case, CharField, Count, Max, Q, QuerySet, Value, When
from django.utils import timezone

from integrations import connect
from integrations.connect import Activity, Calls
from proxy.models import TrafficEntry
from proxy.traffic.ids import first_id

_DAY = timedelta(days=1)
DAYS = 30
#: entries of one connection that are looked at, and of all those asked for together; ten thousand take some 30 ms
MAX_ENTRIES, MAX_ENTRIES_IN_ALL = 10_000, 50_000

#: ends of paths to which a POST asks for something (RFC 9110 section 9.2.1 would have it a GET), or deletes:
#: HubSpot's and Microsoft's searches and batches, Slack's methods
_ASKING = ("/search", "/search/query", "/batch/read", ".list", ".info", ".history", ".replies", ".members")
_DELETING = ("/batch/archive", "/batch/delete", "/gdpr-delete", ".delete")
_KINDS = ("reads", "changes", "deletions")
_SAFE = ("GET", "HEAD", "OPTIONS")


def _ends(with_any_of: Sequence[str]) -> Q:
    return reduce(or_, (Q(path__endswith=end) for end in with_any_of))


#: the provider answered, or may have been reached: time ran out, or the partner hung up before the answer
_REACHED = Q(upstream_ms__isnull=False) | Q(code="upstream_timeout") | (Q(code="") & ~Q(host=""))
_KIND = Case(
    When(~_REACHED, then=Value("")),
    When(Q(method__in=_SAFE) | (Q(method="POST") & _ends(_ASKING)), then=Value("reads")),
    When(Q(method="DELETE") | (Q(method="POST") & _ends(_DELETING)), then=Value("deletions")),
    default=Value("changes"),
    output_field=CharField(),
)


def of_connections(connection_ids: Sequence[UUID]) -> dict[UUID, Activity]:
    """What each was used for; {} where the traffic log does not keep every call, since nothing would be known."""
    if settings.TRAFFIC_LOG != "all" or not connection_ids:
        return {}
    now = timezone.now()
    limit = max(1, min(MAX_ENTRIES, MAX_ENTRIES_IN_ALL // len(connection_ids)))
    return {pk: _activity(pk, limit=limit, now=now) for pk in connection_ids}


def _activity(connection_id: UUID, *, limit: int, now: datetime) -> Activity:
    days = min(DAYS, settings.TRAFFIC_DAYS)
    since = first_id(now - timedelta(days=days))
    rows = TrafficEntry.objects.filter(connection_id=connection_id, pk__gte=since).order_by("-pk")
    sums = _sums(rows.annotate(kind=_KIND)[:limit], first_id(now - _DAY))
    reads, changes, deletions = (
        Calls(sums[f"{kind}_day"], sums[kind], sums[f"{kind}_last"]) for kind in _KINDS
    )
    newest_only = limit if sums["looked_at"] >= limit else None
    return Activity(days, reads, changes, deletions, newest_only)


def _sums(rows: QuerySet[Any], day: UUID) -> dict[str, Any]:
    """One statement over so many rows at most, which the database finds in the order of an index."""
    wanted: dict[str, Any] = {"looked_at": Count("pk")}
    for kind in _KINDS:
        is_kind = Q(kind=kind)
        wanted[kind] = Count("pk", filter=is_kind)
        wanted[f"{kind}_day"] = Count("pk", filter=is_kind & Q(pk__gte=day))
        wanted[f"{kind}_last"] = Max("at", filter=is_kind)
    return rows.aggregate(**wanted)


connect.register_activity(of_connections)
