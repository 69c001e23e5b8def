"""The page that tells what happened to a connection, and the list's filter by reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.shown import badge, status_badge
from integrations.connections import report
from integrations.connections.report import Entry, Report
from integrations.models import Connection
from integrations.models.connection import REASONS

_TONES = {"grant_gone": "bad", "client_wrong": "bad", "temporary": "warn", "unknown": "warn"}
_KINDS = {"failed": "refresh failed", "act": "done", "told": "told"}
_FACTS = {
    "rule": "decided by:",
    "nextTryAt": "next try",
    "process": "in",
    "tokenVersion": "token version",
    "reason": "reason",
    "actor": "by",
    "revocation": "revocation",
    "outcome": "outcome",
}
_LIFETIMES = {
    "accessTokenSeconds": "Access token",
    "refreshTokenIdleSeconds": "Refresh token without use",
    "refreshTokenAbsoluteSeconds": "Refresh token in all",
    "refreshGraceSeconds": "Former refresh token after a rotation",
}


class ReasonFilter(admin.SimpleListFilter):
    """By the code of the status reason; the choices are those that exist, without asking the table for them."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, code.replace("_", " ")) for code in REASONS if code]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Connection]) -> QuerySet[Connection]:
        code = self.value()
        return queryset.filter(status_reason=code) if code in REASONS and code else queryset


def report_context(connection: Connection) -> dict[str, Any]:
    """What the template shows."""
    built = report.build(connection)
    return {
        "title": "What happened",
        "subtitle": str(connection.pk),
        "original": connection,
        "status": status_badge(connection.status),
        "advice": built.advice,
        "facts": list(_facts(built)),
        "entries": [_shown(entry) for entry in reversed(built.entries)],
        "is_complete": built.is_complete,
        "text": report.as_text(built),
    }


def _shown(entry: Entry) -> dict[str, Any]:
    details = entry.details
    if entry.kind == "status":
        label = status_badge(str(details["statusAfter"]))
    else:
        label = badge(_KINDS[entry.kind], _TONES.get(str(details.get("verdict", "")), ""))
    facts = [
        f"{name} {_readable(key, details[key])}"
        for key, name in _FACTS.items()
        if details.get(key) is not None
    ]
    return {
        "at": entry.at,
        "label": label,
        "summary": entry.summary,
        "evidence": details.get("evidence"),
        "facts": " · ".join(facts),
    }


def _readable(key: str, value: Any) -> str:
    return f"{str(value)[:19].replace('T', ' ')} UTC" if key == "nextTryAt" else str(value)


def _facts(built: Report) -> Iterator[tuple[str, Any]]:
    connection = built.connection
    yield "Connected", connection.connected_at
    yield "Last good refresh", connection.token_stored_at
    yield "Next refresh", connection.next_refresh_at
    yield "Access token ends", connection.access_token_expires_at
    yield "Refresh token ends", connection.refresh_token_expires_at
    yield "Client ID", connection.client.client_id if connection.client else None
    yield "Granted scopes", " ".join(connection.granted_scopes)
    for key, name in _LIFETIMES.items():
        yield f"{name} lives", _duration(built.lifetimes, key)


def _duration(lifetimes: Mapping[str, int | bool | None], key: str) -> str | None:
    """Seconds in the unit that people think in."""
    seconds = lifetimes.get(key)
    if seconds is None:
        return None
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length or seconds == length:
            count = seconds // length
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{seconds} seconds"
