"""Records of calls as rows, and rows into the database: many by one statement.

Such a statement runs without Python's lock from beginning to end; inserting row by row would ask for it back
after each one, and hold the database's write lock meanwhile. Entries come in slices: whoever waits for Python's
lock or for the core waits for a slice, not for a batch. Hours, and on PostgreSQL a slice too, come as one JSON
parameter whatever their number; a slice on SQLite as its values.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any

from django.db import connections, models

from proxy.models import TrafficEntry, TrafficHour
from proxy.models.traffic import BUCKET_FIELDS, BUCKETS, MAX_HOST, MAX_PATH, MAX_QUERY, NOBODY, SUM_FIELDS
from proxy.record import COMPLETED, Record
from proxy.selectors import is_slug
from proxy.traffic import redaction
from proxy.traffic.ids import hex_id, random_digits

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
#: calls of which the rows are made without a pause, and written by one statement: less than half a millisecond each
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


def store(prepared: Prepared, *, pause_seconds: float = 0.0) -> None:
    """Write the entries and add to the hours; call it in a transaction, so that both are kept or neither is.

    pause_seconds: between the statements of a transaction, so that who shares the core with it waits briefly.
    """
    vendor = connections["default"].vendor
    with connections["default"].cursor() as cursor:
        _insert_entries(vendor, cursor, prepared.entries, pause_seconds)
        cursor.execute(_insertion(vendor, TrafficHour, _HOUR) + _addition(), [prepared.hours])


def _insert_entries(vendor: str, cursor: Any, slices: list[list[Row]], pause_seconds: float) -> None:
    """SQLite takes the values of a slice as parameters of one statement, which costs half of taking them out of
    JSON. Past Django's cursor, which would go through the whole statement for its placeholders each time."""
    connection = connections["default"]
    for rows in slices:
        if vendor == "sqlite":
            with connection.wrap_database_errors:
                connection.connection.execute(_values(len(rows)), list(chain.from_iterable(rows)))
        else:
            cursor.execute(_insertion(vendor, TrafficEntry, _ENTRY), [_json(rows)])
        if pause_seconds:
            time.sleep(pause_seconds)


def has_failed(record: Record) -> bool:
    """Whether anything went otherwise than a partner wishes."""
    return not 0 < record.status < 400 or record.outcome != COMPLETED


def entry_rows(records: Sequence[Record]) -> list[Row]:
    """The rows of those calls whose partner is known, redacted."""
    keys, moments, hosts = _Hexes(), _Seconds(), _Kept(str, MAX_HOST)
    paths, queries = _Kept(redaction.path, MAX_PATH), _Kept(redaction.query, MAX_QUERY)
    rows: list[Row] = []
    for record, digits in zip(records, random_digits(len(records)), strict=True):
        if record.partner_id is None:
            continue
        credential_id, connection_id = record.credential_id, record.connection_id
        seconds, upstream = record.seconds, record.upstream_seconds
        microseconds = round((record.began_at + seconds) * 1_000_000)
        second, fraction = divmod(microseconds, 1_000_000)
        rows.append(
            (
                hex_id(microseconds // 1000, digits),
                f"{moments[second]}.{fraction:06d}+00:00",
                keys[record.partner_id.int],
                None if credential_id is None else keys[credential_id.int],
                None if connection_id is None else keys[connection_id.int],
                record.slug if record.provider_id else _typed_slug(record.slug),
                record.provider_id[:64],
                record.door,
                record.method[:16],
                hosts[record.host],
                paths[record.path],
                queries[record.query],
                record.status,
                record.code[:40],
                record.outcome,
                record.request_bytes,
                record.reply_bytes,
                round(seconds * 1_000_000) / 1000,
                None if upstream is None else round(upstream * 1_000_000) / 1000,
                record.retries,
                record.is_refreshed,
                record.request_id,
            )
        )
    return rows


class _Hexes(dict[int, str]):
    """UUIDs as the database has them, by their numbers: a look for a number costs a quarter of making the text."""

    def __missing__(self, number: int) -> str:
        text = self[number] = f"{number:032x}"
        return text


class _Seconds(dict[int, str]):
    """Seconds of the epoch as text: of a batch's calls most end in the same one or two."""

    def __missing__(self, second: int) -> str:
        text = self[second] = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"
        return text


class _Kept(dict[str, str]):
    """What is kept of texts. Of one slice alone: what has not been redacted yet is not kept about."""

    def __init__(self, redact: Callable[[str], str], longest: int) -> None:
        self._redact = redact
        self._longest = longest

    def __missing__(self, text: str) -> str:
        kept = self._redact(text)
        if len(kept) > self._longest:
            kept = kept[: self._longest - 1] + "…"
        self[text] = kept
        return kept


def hour_rows(records: Iterable[Record]) -> list[Row]:
    """What the calls add to each hour, in one order everywhere, so that processes cannot wait for each other."""
    hours: dict[tuple[int, int, str, int], list[Any]] = {}
    for record in records:
        partner_id, seconds = record.partner_id, record.ended - record.began
        key = (
            NOBODY.int if partner_id is None else partner_id.int,
            int(record.began_at + seconds) // 3600,
            record.slug if record.provider_id else "",  # else it may be anything that somebody typed
            record.status // 100,
        )
        sums = hours.get(key)
        if sums is None:
            sums = hours[key] = [0] * len(_SUMS)
        milliseconds = seconds * 1000
        sums[0] += 1
        sums[1] += record.code != ""
        sums[2] += record.retries
        sums[3] += record.is_refreshed
        sums[4] += record.request_bytes
        sums[5] += record.reply_bytes
        sums[6] += milliseconds
        sums[_FIRST_BUCKET + bisect_left(BUCKETS, milliseconds)] += 1
    return sorted((_hour_row(*key, sums) for key, sums in hours.items()), key=lambda row: tuple(row[1:5]))


def _hour_row(partner: int, hour: int, slug: str, status_class: int, sums: list[Any]) -> Row:
    began_at = hour * 3600
    moment = f"{datetime.fromtimestamp(began_at, UTC):%Y-%m-%d %H:%M:%S}+00:00"
    key = hex_id(began_at * 1000, *random_digits(1))
    return key, f"{partner:032x}", moment, slug[:64], status_class, *sums


def _typed_slug(slug: str) -> str:
    """A slug that led to no connection: it may be anything that somebody typed."""
    return slug if is_slug(slug) and redaction.path(slug) == slug else ""


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
