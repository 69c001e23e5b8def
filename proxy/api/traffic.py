"""`/api/v1/traffic`: what went through the proxy for the calling partner, call by call and by the hour."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import identifiers
from accounts.api.pagination import CursorPages
from accounts.api.partner_view import PartnerView
from accounts.api.problems import CODES, invalid
from accounts.models import Credential
from accounts.models.partner import Permission
from integrations import connections
from integrations.access import integration_for
from integrations.api.paging import PAGE_NAMES, PAGE_PARAMETERS
from integrations.api.queries import canonical_uuid, require_known
from integrations.models import Connection, Integration
from integrations.representation import timestamp
from proxy.api.traffic_shapes import TrafficEntryReply, TrafficHoursReply
from proxy.models import TrafficEntry, TrafficHour
from proxy.models.traffic import TrafficEntryQuerySet
from proxy.traffic.hours import Hour, series
from proxy.traffic.ids import first_id

_FILTERS = frozenset(
    {"appSlug", "userForeignIdentifier", "UUID", "status", "method", "code", "since", "until", "requestId"}
)
_HOUR_FILTERS = frozenset({"appSlug", "since", "until"})
_MAX_HOURS = timedelta(days=31)
_STATUS = re.compile(r"([0-5])xx|[1-5][0-9]{2}").fullmatch
_METHOD = re.compile(r"[A-Z]{1,16}").fullmatch
_APP_SLUG = OpenApiParameter("appSlug", str, description="Of this integration.")
_SINCE = OpenApiParameter("since", datetime, description="Over at this moment or later.")
_UNTIL = OpenApiParameter("until", datetime, description="Over before this moment.")


class TrafficPages(CursorPages):
    """By key alone, which is by time."""

    ordering = ("-id",)  # type: ignore[assignment]  # one name instead of two

    def decode_cursor(self, request: Any) -> Any:
        try:
            cursor = CursorPagination.decode_cursor(self, request)
            if cursor is not None and cursor.position is not None:
                uuid.UUID(str(cursor.position))
            elif cursor is not None and not cursor.offset:
                raise ValueError("a cursor that says nothing")
        except (NotFound, ValueError) as error:
            raise invalid("cursor", self.invalid_cursor_message) from error
        return cursor


class TrafficView(PartnerView):
    """The partner's calls."""

    permission = Permission.CONNECTIONS_READ
    pagination_class = TrafficPages

    @extend_schema(
        operation_id="list_traffic",
        summary="List calls through the proxy",
        tags=["traffic"],
        parameters=[
            *PAGE_PARAMETERS,
            _APP_SLUG,
            OpenApiParameter("userForeignIdentifier", str, description="For this customer."),
            OpenApiParameter("UUID", uuid.UUID, description="With this connection."),
            OpenApiParameter("status", str, description="Such as 404 or 4xx; 0xx for no reply."),
            OpenApiParameter("method", str, description="Such as POST."),
            OpenApiParameter(
                "code", str, description="Of problems of the platform's own, such as saturated."
            ),
            _SINCE,
            _UNTIL,
            OpenApiParameter("requestId", str, description="The Patchbay-Request-Id of a reply."),
        ],
        responses={200: TrafficEntryReply(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Newest first, a second or so after each call's end. On integrations that the credential may use."""
        require_known(request, PAGE_NAMES | _FILTERS)
        pages = TrafficPages()
        page = pages.paginate_queryset(self._rows(request.query_params), request, view=self) or []
        identifiers_by_id = _identifiers(page)
        return pages.get_paginated_response([entry_data(entry, identifiers_by_id) for entry in page])

    def _rows(self, asked: Any) -> TrafficEntryQuerySet:
        rows = visible_to(self.credential).select_related("credential")
        if (slug := asked.get("appSlug")) is not None:
            rows = rows.filter(slug=integration_for(self.credential, slug).slug)
        if (identifier := asked.get("userForeignIdentifier")) is not None:
            identifiers.check_identifier(identifier)
            of_customer = connections.of_customer(
                connections.visible_to(self.credential),
                partner_id=self.credential.partner_id,
                foreign_identifier=identifier,
            )
            rows = rows.filter(connection_id__in=list(of_customer.values_list("pk", flat=True)))
        if (text := asked.get("UUID")) is not None:
            if (connection_id := canonical_uuid(text)) is None:
                raise invalid("UUID", "A UUID is needed.")
            rows = rows.filter(connection_id=connection_id)
        if (status := asked.get("status")) is not None:
            rows = _of_status(rows, status)
        return _of_call(rows, asked)


class TrafficHoursView(PartnerView):
    """The partner's calls by the hour."""

    permission = Permission.CONNECTIONS_READ

    @extend_schema(
        operation_id="list_traffic_hours",
        summary="Count calls through the proxy by the hour",
        tags=["traffic"],
        parameters=[_APP_SLUG, _SINCE, _UNTIL],
        responses={200: TrafficHoursReply},
    )
    def get(self, request: Request) -> Response:
        """Oldest first, hours without calls included; the last 24 hours unless asked for others, at most 31 days."""
        require_known(request, _HOUR_FILTERS)
        asked = request.query_params
        until = _moment(asked, "until") or timezone.now()
        since = _moment(asked, "since") or until - timedelta(hours=23)
        if not timedelta(0) <= until - since <= _MAX_HOURS:
            raise invalid("since", "At most 31 days before until, and not after it.")
        rows = TrafficHour.objects.filter(partner_id=self.credential.partner_id)
        if (slug := asked.get("appSlug")) is not None:
            rows = rows.filter(slug=integration_for(self.credential, slug).slug)
        else:
            rows = rows.filter(Q(slug__in=_slugs(self.credential)) | Q(slug=""))
        return Response({"results": [hour_data(hour) for hour in series(rows, since, until)], "next": None})


def visible_to(credential: Credential) -> TrafficEntryQuerySet:
    """The partner's calls on integrations that the credential may use, and whatever it called itself."""
    is_usable = Q(slug__in=_slugs(credential)) | Q(credential=credential)
    return TrafficEntry.objects.filter(is_usable, partner_id=credential.partner_id)


def _slugs(credential: Credential) -> list[str]:
    return list(Integration.objects.filter(grants__credential=credential).values_list("slug", flat=True))


def _of_status(rows: TrafficEntryQuerySet, text: str) -> TrafficEntryQuerySet:
    match = _STATUS(text)
    if match is None:
        raise invalid("status", "A status such as 404 or a class such as 4xx is needed.")
    if text[0] in "45":
        rows = rows.failed()
    if match[1] is None:
        return rows.filter(status=int(text))
    return rows.filter(status__gte=int(match[1]) * 100, status__lt=int(match[1]) * 100 + 100)


def _of_call(rows: TrafficEntryQuerySet, asked: Any) -> TrafficEntryQuerySet:
    if (method := asked.get("method")) is not None:
        if not _METHOD(method):
            raise invalid("method", "A method such as POST is needed.")
        rows = rows.filter(method=method)
    if (code := asked.get("code")) is not None:
        if code not in CODES:
            raise invalid("code", "No problem has this code.")
        rows = rows.failed().filter(code=code)
    if (request_id := asked.get("requestId")) is not None:
        if not request_id.isalnum() or len(request_id) > 64:
            raise invalid("requestId", "A request id is needed.")
        rows = rows.filter(request_id=request_id)
    if (since := _moment(asked, "since")) is not None:
        rows = rows.filter(pk__gte=first_id(since))
    if (until := _moment(asked, "until")) is not None:
        rows = rows.filter(pk__lt=first_id(until))
    return rows


def _moment(asked: Any, name: str) -> datetime | None:
    """A moment of RFC 3339, or None where none is asked for."""
    text = asked.get(name)
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
        if moment is None or moment.tzinfo is None or not 1970 <= moment.astimezone(UTC).year < 9999:
            raise ValueError("no moment of ours")
    except (ValueError, OverflowError) as error:
        raise invalid(name, "A moment such as 2026-11-25T09:30:00Z is needed.") from error
    return moment.astimezone(UTC)


def _identifiers(page: Iterable[TrafficEntry]) -> dict[uuid.UUID, str]:
    """Connection -> userForeignIdentifier: looked up now, since the log does not hold it."""
    ids = {entry.connection_id for entry in page if entry.connection_id is not None}
    pairs = Connection.objects.filter(pk__in=ids).values_list("pk", "customer__foreign_identifier")
    return dict(pairs)


def entry_data(entry: TrafficEntry, identifiers_by_id: dict[uuid.UUID, str]) -> dict[str, Any]:
    """One call as the partner sees it."""
    connection_id = entry.connection_id
    return {
        "id": str(entry.pk),
        "at": timestamp(entry.at),
        "requestId": entry.request_id,
        "appSlug": entry.slug or None,
        "provider": entry.provider or None,
        "UUID": None if connection_id is None else str(connection_id),
        "userForeignIdentifier": None if connection_id is None else identifiers_by_id.get(connection_id),
        "clientId": None if entry.credential is None else entry.credential.client_id,
        "door": entry.door,
        "method": entry.method,
        "host": entry.host,
        "path": entry.path,
        "query": entry.query,
        "status": entry.status or None,
        "code": entry.code or None,
        "outcome": entry.outcome,
        "requestBytes": entry.request_bytes,
        "replyBytes": entry.reply_bytes,
        "totalMs": entry.total_ms,
        "upstreamMs": entry.upstream_ms,
        "retries": entry.retries,
        "refreshed": entry.is_refreshed,
    }


def hour_data(hour: Hour) -> dict[str, Any]:
    """One hour as the partner sees it."""
    return {
        "hour": timestamp(hour.at),
        "calls": hour.calls,
        "statuses": {f"{number}xx": calls for number, calls in sorted(hour.by_class.items())},
        "ours": hour.ours,
        "retries": hour.retries,
        "refreshed": hour.refreshed,
        "requestBytes": hour.request_bytes,
        "replyBytes": hour.reply_bytes,
        "p50Ms": hour.percentile(0.5),
        "p95Ms": hour.percentile(0.95),
    }
