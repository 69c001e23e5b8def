"""Counting calls that are over: the only part of the metrics that a call pays for.

A call costs one look into a dictionary and some additions. What a scrape shows is made of it elsewhere, when
somebody asks. Labels are bounded: an app is named once it is known to exist, whatever callers write into paths.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable

from proxy.envelope import METHODS
from proxy.record import Record

#: upper bounds in seconds; what is longer falls into one more
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: app, provider, door, method, status, outcome, code, origin
Key = tuple[str, str, str, str, str, str, str, str]
Numbers = list[float]

#: where a cell has its numbers; the two histograms follow one another, each with the bucket of what is longer
REQUESTS, REQUEST_BYTES, REPLY_BYTES, RETRIES, REFRESHES, SECONDS, UPSTREAM_SECONDS, BUCKETS = range(8)
BUCKET_COUNT = len(BOUNDS) + 1
UPSTREAM_BUCKETS = BUCKETS + BUCKET_COUNT
LENGTH = UPSTREAM_BUCKETS + BUCKET_COUNT

PROVIDER, PATCHBAY = "provider", "patchbay"
OTHER = "_OTHER"
#: a last bound on memory; further combinations are counted without their app
MAX_CELLS = 20_000
_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
_METHODS = frozenset(METHODS)


class Calls:
    """The numbers of one process. Used on the data plane's loop; others may read a copy()."""

    def __init__(self) -> None:
        self._cells: dict[Key, Numbers] = {}
        #: the same cells by what a record says, so that a call of a known kind needs one look
        self._by_record: dict[Hashable, Numbers] = {}
        self._providers: dict[str, str] = {}

    def observe(self, record: Record) -> None:
        """Count a call that is over."""
        headers_at = record.headers_at
        key = (
            record.slug, record.provider_id, record.door, record.method, record.status // 100, record.outcome,
            record.code, headers_at > 0.0,
        )  # fmt: skip
        cell = self._by_record.get(key)
        if cell is None:
            cell = self._cell(record, key)
        seconds = record.ended - record.began
        cell[REQUESTS] += 1
        cell[REQUEST_BYTES] += record.request_bytes
        cell[REPLY_BYTES] += record.reply_bytes
        cell[SECONDS] += seconds
        cell[BUCKETS + bisect_left(BOUNDS, seconds)] += 1
        if headers_at:
            seconds = headers_at - record.sent_at
            cell[UPSTREAM_SECONDS] += seconds
            cell[UPSTREAM_BUCKETS + bisect_left(BOUNDS, seconds)] += 1
        if record.retries:
            cell[RETRIES] += record.retries
        if record.is_refreshed:
            cell[REFRESHES] += 1

    def know(self, providers: dict[str, str]) -> None:
        """Slugs that exist, with the ids of their providers."""
        self._providers.update(providers)

    def copy(self) -> dict[Key, Numbers]:
        """The cells as they stand; the lists go on changing, which a reader may see."""
        return self._cells.copy()

    def _cell(self, record: Record, key: Hashable) -> Numbers:
        app = record.slug
        if record.provider_id:
            self._providers[app] = record.provider_id
        is_known = app in self._providers
        method = record.method if record.method in _METHODS else OTHER
        labels = (
            app if is_known else "",
            self._providers[app] if is_known else "",
            record.door,
            method,
            _status_class(record.status),
            record.outcome,
            record.code,
            PROVIDER if record.headers_at and not record.code else PATCHBAY,
        )
        if labels not in self._cells and len(self._cells) >= MAX_CELLS:
            labels = (OTHER, *labels[1:])
        cell = self._cells.setdefault(labels, [0] * LENGTH)
        if is_known and method != OTHER and len(self._by_record) < MAX_CELLS:
            self._by_record[key] = cell
        return cell


def _status_class(status: int) -> str:
    return _CLASSES[status // 100] if status < 600 else OTHER
