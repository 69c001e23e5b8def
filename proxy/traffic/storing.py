"""Records of calls as rows, and rows into the database: many by one statement.

Such a statement runs without Python's lock from beginning to end; inserting row by row would ask for it back
after each one, and hold the database's write lock meanwhile. Hours, and on PostgreSQL all rows, come as one JSON
parameter whatever their number; entries on SQLite as the values of a slice.
"""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connections, models

from proxy.models import TrafficEntry, TrafficHour
from proxy.models.traffic import BUCKET_FIELDS, BUCKETS, MAX_HOST, MAX_PATH, MAX_QUERY, NOBODY, SUM_FIELDS
from proxy.record import COMPLETED, Record
from proxy.selectors import is_slug
from proxy.traffic import redaction
from proxy.traffic.ids import hex_id

_ENTRY = (
    "id", "at", "partner_id", "credential_id", "connection_id", "slug", "provider", "door", "method", "host", "path",
    "query", "status", "code", "outcome", "request_bytes", "reply_bytes", "total_ms", "upstream_ms", "retries",
    "is_refreshed", "request_id",
)  # fmt: skip
_HOUR_KEY = ("partner_id", "hour", "slug", "status_class")
_SUMS = (*SUM_FIELDS, *BUCKET_FIELDS)
_HOUR = ("id", *_HOUR_KEY, *_SUMS)
_FIRST_BUCKET = len(SUM_FIELDS)

Row = Sequence[Any]
#: calls of which the rows are made without a pause, and written by one statement: about half a millisecond
_SLICE = 100


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows as the statements take them: entries in slices, hours as one JSON array of arrays."""

    entries: list[list[Row]]
    hours: str


def prepare(
    records: Sequence[Record], *, only_failures: bool = False, pause_seconds: float = 0.0
) -> Prepared:
    """Make the rows, in slices between which other threads get on: whoever waits for Python's lock waits briefly.

    only_failures: count all, keep those that failed.
    """
    kept = [record for record in records if has_failed(record)] if only_failures else records
    entries: list[list[Row]] = []
    for start in range(0, len(kept), _SLICE):
        if rows := entry_rows(kept[start : start + _SLICE]):
            entries.append(rows)
        if pause_seconds:
            time.sleep(pause_seconds)
    return Prepared(entries, _json(hour_rows(records)))


def store(prepared: Prepared) -> None:
    """Write the entries and add to the hours; call it in a transaction, so that both are kept or neither is."""
    vendor = connections["default"].vendor
    with connections["default"].cursor() as cursor:
        _insert_entries(vendor, cursor, prepared.entries)
        cursor.execute(_insertion(vendor, TrafficHour, _HOUR) + _addition(), [prepared.hours])


def _insert_entries(vendor: str, cursor: Any, slices: list[list[Row]]) -> None:
    """SQLite takes the values of a slice as parameters of one statement, which costs half of taking them out of
    JSON. Past Django's cursor, which would go through the whole statement for its placeholders each time."""
    if vendor != "sqlite":
        if slices:
            every = [row for rows in slices for row in rows]
            cursor.execute(_insertion(vendor, TrafficEntry, _ENTRY), [_json(every)])
        return
    raw = connections["default"].connection
    for rows in slices:
        raw.execute(_values(len(rows)), [value for row in rows for value in row])


def has_failed(record: Record) -> bool:
    """Whether anything went otherwise than a partner wishes."""
    return not 0 < record.status < 400 or record.outcome != COMPLETED


def entry_rows(records: Iterable[Record]) -> list[Row]:
    """The rows of those calls whose partner is known, redacted."""
    known: dict[str, str] = {}  # for this batch alone: what has not been redacted yet is not kept about

    def redacted(text: str, redact: Any, longest: int) -> str:
        kept = known.get(text)
        if kept is None:
            kept = known[text] = _cut(redact(text), longest)
        return kept

    rows: list[Row] = []
    for record in records:
        if record.partner_id is None:
            continue
        ended_at = _ended_at(record)
        upstream = record.upstream_seconds
        rows.append(
            (
                hex_id(ended_at, os.urandom(10)),
                datetime.fromtimestamp(ended_at, UTC).isoformat(" ", "microseconds"),
                record.partner_id.hex,
                None if record.credential_id is None else record.credential_id.hex,
                None if record.connection_id is None else record.connection_id.hex,
                record.slug if record.provider_id else _typed_slug(record.slug),
                record.provider_id[:64],
                record.door,
                record.method[:16],
                _cut(record.host, MAX_HOST),
                redacted(record.path, redaction.path, MAX_PATH),
                redacted(record.query, redaction.query, MAX_QUERY) if record.query else "",
                record.status,
                record.code[:40],
                record.outcome,
                record.request_bytes,
                record.reply_bytes,
                round(record.seconds * 1000, 3),
                None if upstream is None else round(upstream * 1000, 3),
                record.retries,
                record.is_refreshed,
                record.request_id,
            )
        )
    return rows


def hour_rows(records: Iterable[Record]) -> list[Row]:
    """What the calls add to each hour, in one order everywhere, so that processes cannot wait for each other."""
    hours: dict[tuple[UUID | None, int, str, int], list[Any]] = {}
    for record in records:
        key = (
            record.partner_id,
            int(record.began_at + record.ended - record.began) // 3600,
            record.slug if record.provider_id else "",  # else it may be anything that somebody typed
            record.status // 100,
        )
        sums = hours.get(key)
        if sums is None:
            sums = hours[key] = [0] * len(_SUMS)
        milliseconds = (record.ended - record.began) * 1000
        sums[0] += 1
        sums[1] += record.code != ""
        sums[2] += record.retries
        sums[3] += record.is_refreshed
        sums[4] += record.request_bytes
        sums[5] += record.reply_bytes
        sums[6] += milliseconds
        sums[_FIRST_BUCKET + bisect_left(BUCKETS, milliseconds)] += 1
    return sorted((_hour_row(*key, sums) for key, sums in hours.items()), key=lambda row: tuple(row[1:5]))


def _hour_row(partner_id: UUID | None, hour: int, slug: str, status_class: int, sums: list[Any]) -> Row:
    began_at = hour * 3600
    moment = f"{datetime.fromtimestamp(began_at, UTC):%Y-%m-%d %H:%M:%S}+00:00"
    partner = NOBODY if partner_id is None else partner_id
    return hex_id(began_at, os.urandom(10)), partner.hex, moment, slug[:64], status_class, *sums


def _ended_at(record: Record) -> float:
    return record.began_at + record.seconds


def _typed_slug(slug: str) -> str:
    """A slug that led to no connection: it may be anything that somebody typed."""
    return slug if is_slug(slug) and redaction.path(slug) == slug else ""


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


# --- SQL ----------------------------------------------------------------------------------------------------
def _json(rows: Sequence[Row]) -> str:
    return json.dumps(rows, separators=(",", ":"))


@cache
def _insertion(vendor: str, model: type[models.Model], names: tuple[str, ...]) -> str:
    """INSERT … SELECT of rows that are arrays in one JSON parameter, in the order of names."""
    columns = ", ".join(f'"{name}"' for name in names)
    if vendor == "sqlite":
        values = (f"json_extract(value, '$[{place}]')" for place in range(len(names)))
        source = "json_each(%s)"
    else:
        types = {
            field.attname: field.db_type(connections["default"]) for field in model._meta.concrete_fields
        }
        values = (f"(value->>{place})::{types[name]}" for place, name in enumerate(names))
        source = "json_array_elements(%s::json)"
    # "WHERE true" parts the SELECT from an ON CONFLICT that may follow, for SQLite's parser.
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) SELECT {", ".join(values)} FROM {source} WHERE true'  # noqa: S608


@cache
def _values(rows: int) -> str:
    """INSERT of so many entries by parameters."""
    columns = ", ".join(f'"{name}"' for name in _ENTRY)
    one = f"({', '.join('?' * len(_ENTRY))})"
    return f'INSERT INTO "{TrafficEntry._meta.db_table}" ({columns}) VALUES {", ".join([one] * rows)}'  # noqa: S608


@cache
def _addition() -> str:
    """What follows the insertion of hours: they add to what is there."""
    table = TrafficHour._meta.db_table
    sums = ", ".join(f'"{name}" = "{table}"."{name}" + excluded."{name}"' for name in _SUMS)
    keys = ", ".join(f'"{name}"' for name in _HOUR_KEY)
    return f" ON CONFLICT ({keys}) DO UPDATE SET {sums}"
