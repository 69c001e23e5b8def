"""What a scrape shows of calls, as Prometheus's own parser reads it."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from proxy.observation.calls import Calls
from proxy.observation.metrics import METRICS, Scrape
from proxy.observation.process import LAG_BOUNDS, LoopLag
from proxy.observation.snapshot import Snapshot
from tests.proxy.observation.records import finished
from tests.proxy.observation.scraping import Samples, parsed, total


def shown(snapshot: Snapshot) -> Samples:
    registry = CollectorRegistry()
    registry.register(Scrape(snapshot, []))
    return parsed(generate_latest(registry).decode())


def test_requests_are_told_by_every_label_and_durations_by_app_and_door() -> None:
    counted = Calls()
    counted.observe(finished(seconds=0.2, upstream_seconds=0.1))
    counted.observe(finished("POST", seconds=0.7, upstream_seconds=0.3, status=404, reply_bytes=5))
    found = shown(Snapshot(counted.copy()))
    labels = {"app": "hbdev", "provider": "hubspot", "door": "passthrough"}
    assert total(found, "patchbay_proxy_requests_total", **labels, method="POST", status="4xx") == 1
    assert total(found, "patchbay_proxy_requests_total", **labels) == 2
    name = "patchbay_proxy_request_duration_seconds"
    assert total(found, f"{name}_count", **labels) == 2
    assert total(found, f"{name}_sum", **labels) == pytest.approx(0.9)
    assert total(found, f"{name}_bucket", **labels, le="0.25") == 1
    assert total(found, f"{name}_bucket", **labels, le="1.0") == 2
    assert total(found, f"{name}_bucket", **labels, le="+Inf") == 2
    assert total(found, "patchbay_proxy_upstream_duration_seconds_sum", **labels) == pytest.approx(0.4)
    assert total(found, "patchbay_proxy_reply_bytes_total", app="hbdev") == 5


def test_the_buckets_of_the_lag_are_of_everything_up_to_their_bounds() -> None:
    lag = LoopLag()
    for seconds in (0.0005, 0.004, 0.3, 9.0):
        lag.note(seconds)
    found = shown(Snapshot(lag=lag.numbers))
    name = "patchbay_event_loop_lag_seconds"
    assert [total(found, f"{name}_bucket", le=le) for le in ("0.001", "0.005", "0.5", "2.5", "+Inf")] == [
        1, 2, 3, 3, 4,
    ]  # fmt: skip
    assert total(found, f"{name}_sum") == pytest.approx(9.3045)
    assert len(lag.numbers) == len(LAG_BOUNDS) + 2


def test_no_metric_is_described_twice_and_names_follow_the_conventions() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.name.startswith("patchbay_") and not metric.name.endswith("_total")
        assert metric.meaning.endswith(".")
