"""The metrics by name, and a scrape's numbers in Prometheus's own shapes. docs/observation.md has the same table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.observation import calls
from proxy.observation.calls import BOUNDS, BUCKET_COUNT, Key, Numbers
from proxy.observation.database import Reading
from proxy.observation.process import LAG_BOUNDS
from proxy.observation.snapshot import Snapshot

COUNTER, HISTOGRAM, GAUGE = "counter", "histogram", "gauge"
_CALL = ("app", "provider", "door", "method", "status", "outcome", "code", "origin")
_APP = ("app", "provider")
_DOOR = ("app", "provider", "door")


@dataclass(frozen=True, slots=True)
class Described:
    """One metric. name: without the `_total` that a counter is shown with."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown_name(self) -> str:
        return f"{self.name}_total" if self.kind == COUNTER else self.name


METRICS = (
    Described("patchbay_proxy_requests", COUNTER, "Calls that are over.", _CALL),
    Described("patchbay_proxy_request_bytes", COUNTER, "Content received from partners.", _APP),
    Described("patchbay_proxy_reply_bytes", COUNTER, "Content handed to partners.", _APP),
    Described("patchbay_proxy_retries", COUNTER, "Tries after the first that callers asked for.", _APP),
    Described("patchbay_proxy_refreshes", COUNTER, "Calls repeated with a token refreshed for them.", _APP),
    Described(
        "patchbay_proxy_request_duration_seconds",
        HISTOGRAM,
        "From a call's header section to the end of its reply.",
        _DOOR,
    ),
    Described(
        "patchbay_proxy_upstream_duration_seconds",
        HISTOGRAM,
        "From the first try to the header section of the provider's reply.",
        _DOOR,
    ),
    Described("patchbay_proxy_in_flight", GAUGE, "Calls on their way to or from providers."),
    Described("patchbay_proxy_envelopes_in_flight", GAUGE, "Envelopes that are held in memory."),
    Described(
        "patchbay_open_circuits",
        GAUGE,
        "Hosts that keep failing and are left alone, for everybody, or for one partner or connection.",
        ("scope",),
    ),
    Described("patchbay_cache_entries", GAUGE, "What is kept for warm calls, by shelf.", ("shelf",)),
    Described(
        "patchbay_event_loop_lag_seconds", HISTOGRAM, "How late the event loop was, four times a second."
    ),
    Described("patchbay_web_processes", GAUGE, "Web processes of this host that are alive."),
    Described("patchbay_web_cpu_seconds", COUNTER, "Processor time of the web processes."),
    Described("patchbay_web_resident_memory_bytes", GAUGE, "Memory of the web processes."),
    Described("patchbay_web_open_fds", GAUGE, "Open files and sockets of the web processes."),
    Described("patchbay_traffic_dropped", COUNTER, "Calls that the traffic log could not keep."),
    Described("patchbay_traces_dropped", COUNTER, "Calls of which no span was made: too many at once."),
    Described("patchbay_connections", GAUGE, "Connections but for ended ones.", (*_APP, "status")),
    Described("patchbay_refreshes_due", GAUGE, "Connections whose refresh is due.", _APP),
    Described("patchbay_refresh_oldest_due_seconds", GAUGE, "For how long the first of them has been due."),
    Described(
        "patchbay_refresh_failures_recent",
        GAUGE,
        "Refreshes that failed in the last 15 minutes.",
        ("verdict", "process"),
    ),
    Described(
        "patchbay_provider_refresh_failures_in_a_row",
        GAUGE,
        "Refreshes ahead of use that failed since the last that did not; from 5 on the provider is given rest.",
        ("provider",),
    ),
    Described("patchbay_revocations_pending", GAUGE, "Grants that are still to be ended at their providers."),
    Described("patchbay_events_undelivered", GAUGE, "Partner events that have not been delivered."),
    Described("patchbay_event_oldest_undelivered_seconds", GAUGE, "How old the first of them is."),
    Described("patchbay_workers", GAUGE, "Workers that have answered within 45 seconds."),
    Described("patchbay_worker_heartbeat_age_seconds", GAUGE, "Since a worker answered last."),
    Described("patchbay_keys_well", GAUGE, "1 when FERNET_KEYS opens what is stored."),
    Described("patchbay_database_up", GAUGE, "1 when the database could be read for this scrape."),
)
_BY_NAME = {metric.name: metric for metric in METRICS}


class Scrape(Collector):
    """The numbers of all processes and what the database says, to be rendered once."""

    def __init__(self, snapshot: Snapshot, readings: Iterable[Reading]) -> None:
        self._snapshot = snapshot
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        yield from _of_calls(self._snapshot)
        lag = _histogram("patchbay_event_loop_lag_seconds")
        total, *counts = self._snapshot.lag
        lag.add_metric((), _buckets(LAG_BOUNDS, counts), total)
        yield lag
        for name, number in self._snapshot.counters.items():
            yield _counter(name, {(): number})
        yield from _gauges([*_held(self._snapshot), *self._readings])


def _of_calls(snapshot: Snapshot) -> Iterator[Metric]:
    cells = snapshot.cells
    requests = _summed(cells, lambda key: key)
    yield _counter("patchbay_proxy_requests", {key: row[calls.REQUESTS] for key, row in requests.items()})
    by_app = _summed(cells, lambda key: key[:2])
    for name, place in (
        ("patchbay_proxy_request_bytes", calls.REQUEST_BYTES),
        ("patchbay_proxy_reply_bytes", calls.REPLY_BYTES),
        ("patchbay_proxy_retries", calls.RETRIES),
        ("patchbay_proxy_refreshes", calls.REFRESHES),
    ):
        yield _counter(name, {key: numbers[place] for key, numbers in by_app.items()})
    by_door = _summed(cells, lambda key: key[:3])
    for name, seconds, first in (
        ("patchbay_proxy_request_duration_seconds", calls.SECONDS, calls.BUCKETS),
        ("patchbay_proxy_upstream_duration_seconds", calls.UPSTREAM_SECONDS, calls.UPSTREAM_BUCKETS),
    ):
        family = _histogram(name)
        for key, numbers in by_door.items():
            counts = numbers[first : first + BUCKET_COUNT]
            family.add_metric(key, _buckets(BOUNDS, counts), numbers[seconds])
        yield family


def _summed(
    cells: dict[Key, Numbers], part: Callable[[Key], tuple[str, ...]]
) -> dict[tuple[str, ...], Numbers]:
    summed: dict[tuple[str, ...], Numbers] = {}
    for key, numbers in cells.items():
        known = summed.get(part(key))
        summed[part(key)] = numbers if known is None else [a + b for a, b in zip(known, numbers, strict=True)]
    return summed


def _buckets(bounds: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    """Counts of each bucket as Prometheus wants them: of everything up to its bound."""
    names = [*(str(bound) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))


def _held(snapshot: Snapshot) -> Iterator[Reading]:
    """Gauges of processes; what follows a slash is a label's value."""
    for name, number in snapshot.gauges.items():
        metric, _, label = name.partition("/")
        yield metric, (label,) if label else (), number


def _gauges(readings: Iterable[Reading]) -> Iterator[Metric]:
    families = {
        metric.name: GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for metric in METRICS
        if metric.kind == GAUGE
    }
    for name, values, number in readings:
        families[name].add_metric(values, number)
    yield from families.values()


def _counter(name: str, numbers: dict[tuple[str, ...], float]) -> Metric:
    metric = _BY_NAME[name]
    family = CounterMetricFamily(name, metric.meaning, labels=metric.labels)
    for values, number in numbers.items():
        family.add_metric(values, number)
    return family


def _histogram(name: str) -> HistogramMetricFamily:
    metric = _BY_NAME[name]
    return HistogramMetricFamily(name, metric.meaning, labels=metric.labels)
