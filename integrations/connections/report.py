"""What happened to a connection: a timeline from incidents, audit entries and events, and what can be done now.

Fit for partners and for support tickets: no secret, no name of a member of staff, no address, nobody's own
identifier. Cheap: the row, its client, and the newest few of each kind, whatever the connection has been through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accounts.models import AuditEntry, Event
from accounts.models.audit import ActorKind
from integrations.catalogue import UnknownProvider
from integrations.connections import advice
from integrations.connections.advice import Advice
from integrations.models import Connection, GrantIncident
from integrations.models.connection import REASONS
from integrations.oauth.masking import mask_secrets
from integrations.oauth.verdicts import Verdict
from integrations.representation import timestamp

#: of each kind, the newest
MOST = 50

_DECISIONS: dict[str, str] = {
    Verdict.GRANT_GONE: "The grant is gone, so that nothing more is tried; only the customer can bring it back.",
    Verdict.CLIENT_WRONG: "The app's own credentials are refused: no customer is concerned, the operator is alarmed.",
    Verdict.TEMPORARY: "Passing trouble: tried again, for as long as it lasts.",
    Verdict.UNKNOWN: "An answer that tells nothing certain: tried six times over an hour, then the customer is asked.",
}
_ACTS: dict[str, str] = {
    "connected": "The customer connected.",
    "imported": "The connection was adopted from another system.",
    "recovered": "Refreshes work again.",
    "revoked": "The provider was asked to forget the grant.",
    "scopes_changed": "The provider changed what the grant covers.",
    "token_read": "An access token was handed out.",
}
_ACTORS: dict[str, str] = {
    ActorKind.STAFF: "operator",
    ActorKind.PARTNER: "partner",
    ActorKind.CUSTOMER: "customer",
    ActorKind.SYSTEM: "platform",
}
#: what an audit entry of a connection may show besides its status
_SHOWN_CHANGES = ("evidence", "revocation", "outcome")


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment. kind: failed, status, act or told; details: public names and plain values."""

    at: datetime
    kind: str
    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """entries: oldest first. is_complete False: older ones were left out. lifetimes: public names, seconds."""

    connection: Connection
    entries: tuple[Entry, ...]
    is_complete: bool
    advice: Advice
    lifetimes: Mapping[str, int | bool | None]


def build(connection: Connection) -> Report:
    """The report of a connection whose integration is loaded; tombstones have one too."""
    failures = _failures(connection)
    acts = list(_acts(connection))
    told = list(_told(connection))
    entries = sorted([*failures, *acts, *told], key=lambda entry: (entry.at, _ORDER[entry.kind]))
    return Report(
        connection=connection,
        entries=tuple(entries),
        is_complete=all(len(part) < MOST for part in (failures, acts, told)),
        advice=advice.advise(connection, has_trouble=bool(failures) and connection.refresh_failures > 0),
        lifetimes=_lifetimes(connection),
    )


#: of entries of one moment, the cause stands before what followed from it
_ORDER = {"failed": 0, "act": 1, "status": 2, "told": 3}


def _failures(connection: Connection) -> list[Entry]:
    incidents = GrantIncident.objects.filter(connection_id=connection.pk).order_by("-at")[:MOST]
    return [_failure(incident) for incident in incidents]


def _failure(incident: GrantIncident) -> Entry:
    said = [f"HTTP {incident.http_status}" if incident.http_status else "no answer", incident.error]
    return Entry(
        at=incident.at,
        kind="failed",
        summary=f"A refresh failed ({', '.join(word for word in said if word)}). "
        f"{_DECISIONS.get(incident.verdict, '')}",
        details={
            "verdict": incident.verdict,
            "rule": incident.rule,
            "error": incident.error or None,
            "httpStatus": incident.http_status,
            "evidence": mask_secrets(incident.evidence, max_length=500),
            "nextTryAt": timestamp(incident.next_try_at),
            "process": incident.process,
            "tokenVersion": incident.token_version,
        },
    )


def _acts(connection: Connection) -> Iterator[Entry]:
    entries = AuditEntry.objects.filter(
        object_type=connection._meta.label_lower, object_id=str(connection.pk)
    ).order_by("-at")[:MOST]
    for entry in entries:
        actor = {"actor": _ACTORS.get(entry.actor_kind, "platform")}
        changed = entry.changes.get("status")
        name = entry.action.partition(".")[2]
        if isinstance(changed, list) and len(changed) == 2 and changed[0] != changed[1]:
            reason = str(entry.changes.get("reason") or "")
            details = {
                **actor,
                "statusBefore": changed[0],
                "statusAfter": changed[1],
                "reason": reason or None,
            }
            yield Entry(entry.at, "status", _status_sentence(name, changed, reason), details)
        else:
            yield Entry(
                entry.at, "act", _ACTS.get(name, f"{_words(name)}."), {**actor, **_shown(entry.changes)}
            )


def _status_sentence(name: str, changed: list[str], reason: str) -> str:
    sentence = f"From {_words(changed[0])} to {_words(changed[1])}."
    told_to_customer = "" if reason.startswith("paused_by") else REASONS.get(reason, "")
    parts = [_ACTS.get(name, ""), sentence, told_to_customer]
    return " ".join(part for part in parts if part)


def _shown(changes: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: mask_secrets(str(changes[name]), max_length=500) for name in _SHOWN_CHANGES if changes.get(name)
    }


def _told(connection: Connection) -> Iterator[Entry]:
    events = Event.objects.filter(connection_id=connection.pk).order_by("-occurred_at")
    for event in events.only("type", "occurred_at")[:MOST]:
        yield Entry(event.occurred_at, "told", f"The partner was told {event.type}.", {"event": event.type})


def _lifetimes(connection: Connection) -> dict[str, int | bool | None]:
    try:
        oauth = connection.integration.provider.oauth
    except UnknownProvider:
        return dict.fromkeys(_LIFETIMES)
    values = (
        connection.access_token_lifetime or oauth.lifetimes.access_token_seconds,
        oauth.lifetimes.refresh_token_idle_seconds,
        oauth.lifetimes.refresh_token_absolute_seconds,
        oauth.rotates_refresh_token,
        oauth.refresh_grace_seconds,
    )
    return dict(zip(_LIFETIMES, values, strict=True))


_LIFETIMES = (
    "accessTokenSeconds",
    "refreshTokenIdleSeconds",
    "refreshTokenAbsoluteSeconds",
    "rotatesRefreshToken",
    "refreshGraceSeconds",
)


def report_data(report: Report) -> dict[str, Any]:
    """The public JSON object of a report."""
    connection = report.connection
    reason = connection.status_reason
    return {
        "UUID": str(connection.pk),
        "appSlug": connection.integration.slug,
        "provider": connection.integration.provider_id,
        "status": connection.status,
        "statusReason": {"code": reason, "message": connection.reason_sentence} if reason else None,
        "connectedAt": timestamp(connection.connected_at),
        "clientId": connection.client.client_id if connection.client else None,
        "grantedScopes": connection.granted_scopes,
        "lastRefreshedAt": timestamp(connection.token_stored_at),
        "accessTokenExpiresAt": timestamp(connection.access_token_expires_at),
        "refreshTokenExpiresAt": timestamp(connection.refresh_token_expires_at),
        "nextTryAt": timestamp(connection.next_refresh_at),
        "lifetimes": dict(report.lifetimes),
        "advice": {"customer": report.advice.customer, "operator": report.advice.operator},
        "isComplete": report.is_complete,
        "timeline": [
            {"at": timestamp(entry.at), "kind": entry.kind, "summary": entry.summary, **entry.details}
            for entry in report.entries
        ],
    }


def as_text(report: Report) -> str:
    """The report for a support ticket: one line a fact."""
    data = report_data(report)
    lines = [f"Connection {data['UUID']} of {data['appSlug']} ({data['provider']})"]
    lines += [f"{name}: {_plain(data[name])}" for name in _HEAD if data[name] is not None]
    lines += [f"{name}: {_plain(value)}" for name, value in data["lifetimes"].items() if value is not None]
    lines += ["", *(line for entry in data["timeline"] for line in _entry_lines(entry))]
    lines += [
        "",
        f"For the customer: {report.advice.customer}",
        f"For the operator: {report.advice.operator}",
    ]
    return "\n".join(lines)


_HEAD = (
    "status",
    "statusReason",
    "connectedAt",
    "clientId",
    "grantedScopes",
    "lastRefreshedAt",
    "accessTokenExpiresAt",
    "refreshTokenExpiresAt",
    "nextTryAt",
)


def _entry_lines(entry: Mapping[str, Any]) -> Iterator[str]:
    yield f"{entry['at']}  {entry['summary']}"
    hidden = {"at", "kind", "summary", "event", "statusBefore", "statusAfter"}
    facts = [f"{name}={value}" for name, value in entry.items() if name not in hidden and value is not None]
    if facts:
        yield f"    {'; '.join(facts)}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['code']} ({value['message']})"
    return " ".join(value) if isinstance(value, list) else str(value)


def _words(code: str) -> str:
    return code.replace("_", " ")
