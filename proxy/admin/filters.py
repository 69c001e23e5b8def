"""The traffic list's filters: their choices are known without asking the table for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from integrations.models import Integration
from proxy.models import TrafficEntry
from proxy.models.traffic import TrafficEntryQuerySet
from proxy.record import BROKEN_OFF, COMPLETED, INTAKE, PARTNER_GONE
from proxy.traffic.ids import first_id

#: name -> label and hours; None is as long as entries are kept
SPANS: dict[str, tuple[str, int | None]] = {
    "hour": ("Last hour", 1),
    "day": ("Last 24 hours", 24),
    "week": ("Last 7 days", 7 * 24),
    "all": ("All that is kept", None),
}
DEFAULT_SPAN = "day"
_CLASSES = {"0": "no reply", "2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx"}
_OUTCOMES = {COMPLETED: "completed", BROKEN_OFF: "broken off", PARTNER_GONE: "partner left"}
_DOORS = ("passthrough", "envelope", "stackgo", INTAKE)


def span(request: HttpRequest) -> str:
    """The key of SPANS that was asked for; a search looks at all that is kept unless it says otherwise."""
    asked = request.GET.get("span", "")
    if asked in SPANS:
        return asked
    return "all" if request.GET.get("q") else DEFAULT_SPAN


class _Filter(admin.SimpleListFilter):
    """One of known choices; anything else is no filter."""

    known: dict[str, str] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.known.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[TrafficEntry]) -> QuerySet[TrafficEntry]:
        value = self.value()
        return self.of(queryset, value) if value in dict(self.lookup_choices) else queryset

    def of(self, queryset: QuerySet[TrafficEntry], value: str) -> QuerySet[TrafficEntry]:
        return queryset.filter(**{self.parameter_name or "": value})


class SpanFilter(_Filter):
    """How far back to look, 24 hours unless asked: a range of keys, so that no more is read."""

    title = "time"
    parameter_name = "span"
    known = {name: label for name, (label, _) in SPANS.items()}

    def __init__(self, request: HttpRequest, *rest: Any) -> None:
        super().__init__(request, *rest)
        self._span = span(request)

    def choices(self, changelist: Any) -> Iterator[Any]:
        for name, label in self.lookup_choices:
            yield {
                "selected": name == self._span,
                "query_string": changelist.get_query_string({"span": name}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[TrafficEntry]) -> QuerySet[TrafficEntry]:
        return queryset if self._span == "all" else queryset.filter(pk__gte=first_id(began(self._span)))


def began(name: str) -> datetime:
    """When a span of SPANS began."""
    hours = SPANS[name][1]
    days = min(settings.TRAFFIC_DAYS, settings.TRAFFIC_HOUR_DAYS)
    return timezone.now() - (timedelta(days=days) if hours is None else timedelta(hours=hours))


class StatusFilter(_Filter):
    title = "status"
    parameter_name = "status_class"
    known = _CLASSES

    def of(self, queryset: QuerySet[TrafficEntry], value: str) -> QuerySet[TrafficEntry]:
        if value in "45" and isinstance(queryset, TrafficEntryQuerySet):
            queryset = queryset.failed()
        return queryset.filter(status__gte=int(value) * 100, status__lt=int(value) * 100 + 100)


class OutcomeFilter(_Filter):
    title = "outcome"
    parameter_name = "outcome"
    known = _OUTCOMES


class DoorFilter(_Filter):
    title = "door"
    parameter_name = "door"
    known = {name: name for name in _DOORS}


class IntegrationFilter(_Filter):
    title = "integration"
    parameter_name = "slug"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, slug) for slug in Integration.objects.order_by("slug").values_list("slug", flat=True)]
