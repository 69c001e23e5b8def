"""Records of calls that are over, as tests like them."""

from __future__ import annotations

from typing import Any

from proxy.record import COMPLETED, Record


def finished(
    method: str = "GET", *, seconds: float = 0.2, upstream_seconds: float | None = 0.1, **members: Any
) -> Record:
    """A call that a provider has answered unless told otherwise; members: those of Record."""
    record = Record(method)
    record.slug, record.provider_id, record.door = "hbdev", "hubspot", "passthrough"
    record.host, record.path = "api.hubapi.com", "/crm/v3/objects/contacts/123"
    record.request_id, record.status, record.outcome = "a" * 32, 200, COMPLETED
    record.began = 1_000.0
    record.sent_at = record.began + 0.01
    if upstream_seconds is not None:
        record.headers_at = record.sent_at + upstream_seconds
    record.ended = record.began + seconds
    for name, value in members.items():
        setattr(record, name, value)
    return record
