"""The traffic log for staff: searched, filtered, drawn; changed by nobody."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.read_only import ReadOnlyAdmin
from accounts.admin.shown import badge, code
from accounts.models import Partner
from proxy.admin import chart
from proxy.admin.filters import (
    SPANS,
    DoorFilter,
    IntegrationFilter,
    OutcomeFilter,
    SpanFilter,
    StatusFilter,
    began,
    span,
)
from proxy.admin.paging import BoundedPaginator
from proxy.models import TrafficEntry, TrafficHour
from proxy.record import COMPLETED
from proxy.selectors import is_slug
from proxy.traffic.hours import series

_TONES = {2: "good", 4: "warn", 5: "bad"}
_LONG_PATH = 40


@admin.register(TrafficEntry)
class TrafficEntryAdmin(ReadOnlyAdmin):
    list_display = ("when", "result", "where", "took", "customer", "slug", "partner")
    list_display_links = ("when",)
    list_filter = (SpanFilter, StatusFilter, OutcomeFilter, IntegrationFilter, "partner", DoorFilter)
    sortable_by = ()
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("=request_id",)
    search_help_text = "Search by request id (Patchbay-Request-Id), or by the UUID of a connection or entry."
    change_list_template = "admin/proxy/trafficentry/change_list.html"
    change_form_template = "admin/proxy/trafficentry/form.html"
    fieldsets = (
        (None, {"fields": ("moment", "result", "outcome", "code", "request", "uuid")}),
        (
            "Whose",
            {"fields": ("partner", "credential", "customer", "connection_link", "slug", "provider", "door")},
        ),
        (
            "Request to the provider",
            {"fields": ("method", "host", "path", "query", "request_size", "reply_size")},
        ),
        ("Durations", {"fields": ("total_ms", "upstream_ms", "own_ms", "retries", "is_refreshed")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrafficEntry]:
        """With what entries name, which may be gone, and without the sealed columns, which nothing here shows."""
        rows = super().get_queryset(request)
        rows = rows.select_related("partner", "credential", "connection__customer")
        return rows.defer("connection__access_token", "connection__refresh_token")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Each kind of name by its own index. A request id may look like a UUID, so it is tried first."""
        term = search_term.strip()
        if not term:
            return queryset, False
        of_request = queryset.filter(request_id=term)
        try:
            wanted = uuid.UUID(term)
        except ValueError:
            return of_request, False
        for found in (of_request, queryset.filter(pk=wanted)):
            if found.exists():
                return found, False
        return queryset.filter(connection_id=wanted), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = self._chart_context(request) if self.has_view_permission(request) else {}
        return super().changelist_view(request, {"title": "Traffic", **context, **(extra_context or {})})

    def _chart_context(self, request: HttpRequest) -> dict[str, Any]:
        """The hours of the list's span, partner and integration; nothing while a search looks for one call."""
        if request.GET.get("q"):
            return {}
        name = span(request)
        rows = TrafficHour.objects.all()
        of: list[str] = []
        partner = _partner(request)
        if partner is not None:
            rows = rows.filter(partner=partner)
            of.append(str(partner))
        slug = request.GET.get("slug", "")
        if is_slug(slug):
            rows = rows.filter(slug=slug)
            of.append(slug)
        now = timezone.now()
        # The last hour alone would be two bars: the day around it tells more.
        since = began("day" if name == "hour" else name) + timedelta(hours=1)
        drawn = chart.draw(series(rows, since, now))
        return {
            "chart": drawn,
            "chart_span": SPANS["day" if name == "hour" else name][0],
            "chart_of": " · ".join(of) or "all partners, all integrations",
            "chart_ends": (drawn.columns[0].hour.at, now),
        }

    # --- columns --------------------------------------------------------------------------------------------
    @admin.display(description="time (UTC)")
    def when(self, entry: TrafficEntry) -> SafeString:
        return format_html(
            '<time class="pb-nowrap" datetime="{}">{}</time>',
            entry.at.isoformat(),
            f"{entry.at:%d %b %H:%M:%S}",
        )

    @admin.display(description="status")
    def result(self, entry: TrafficEntry) -> SafeString:
        label = badge(str(entry.status or "no reply"), _TONES.get(entry.status // 100, ""))
        told = entry.code or ("" if entry.outcome == COMPLETED else entry.outcome)
        if not told:
            return label
        return format_html('{} <span class="pb-traffic__code">{}</span>', label, told.replace("_", " "))

    @admin.display(description="request")
    def where(self, entry: TrafficEntry) -> SafeString:
        path = entry.path if len(entry.path) <= _LONG_PATH else f"{entry.path[:_LONG_PATH]}…"
        marks = [f"{entry.retries} retries"] if entry.retries else []
        marks += ["refreshed"] if entry.is_refreshed else []
        return format_html(
            '<span class="pb-traffic__request" title="{}">{} {}</span> {}',
            f"{entry.host}{entry.path}{'?' if entry.query else ''}{entry.query}",
            entry.method,
            path or "–",
            badge(", ".join(marks), "warn") if marks else "",
        )

    @admin.display(description="customer")
    def customer(self, entry: TrafficEntry) -> str:
        return "–" if entry.connection is None else str(entry.connection.customer)

    @admin.display(description="ms")
    def took(self, entry: TrafficEntry) -> SafeString:
        upstream = "" if entry.upstream_ms is None else f"of the provider: {entry.upstream_ms:.1f} ms"
        return format_html('<span class="pb-nowrap" title="{}">{}</span>', upstream, f"{entry.total_ms:,.1f}")

    # --- the page -------------------------------------------------------------------------------------------
    @admin.display(description="over at")
    def moment(self, entry: TrafficEntry) -> str:
        return f"{entry.at:%d %b %Y %H:%M:%S}.{entry.at.microsecond // 1000:03} UTC"

    @admin.display(description="id")
    def uuid(self, entry: TrafficEntry) -> SafeString:
        return code(str(entry.pk))

    @admin.display(description="request id")
    def request(self, entry: TrafficEntry) -> SafeString:
        return code(entry.request_id)

    @admin.display(description="connection")
    def connection_link(self, entry: TrafficEntry) -> SafeString | str:
        if entry.connection is None:
            return "–" if entry.connection_id is None else f"{entry.connection_id} (gone)"
        url = reverse("admin:integrations_connection_change", args=[entry.connection_id])
        return format_html('<a class="pb-code" href="{}">{}</a>', url, entry.connection_id)

    @admin.display(description="sent")
    def request_size(self, entry: TrafficEntry) -> str:
        return _size(entry.request_bytes)

    @admin.display(description="received")
    def reply_size(self, entry: TrafficEntry) -> str:
        return _size(entry.reply_bytes)

    @admin.display(description="milliseconds besides the provider's")
    def own_ms(self, entry: TrafficEntry) -> str:
        return (
            "–"
            if entry.upstream_ms is None
            else f"{entry.total_ms - entry.upstream_ms:.1f}, content included"
        )


def _size(count: int) -> str:
    return f"{count:,} bytes" if count < 1024 else f"{filesizeformat(count)} ({count:,} bytes)"


def _partner(request: HttpRequest) -> Partner | None:
    try:
        wanted = uuid.UUID(request.GET.get("partner__id__exact", ""))
    except ValueError:
        return None
    return Partner.objects.filter(pk=wanted).first()
