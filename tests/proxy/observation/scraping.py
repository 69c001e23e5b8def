"""Asking for metrics as Prometheus does, and reading them with its own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.proxy.observation.conftest import TOKEN
from tests.proxy.servers import RawReply, Served

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(served: Served, **headers: str) -> RawReply:
    """GET /metrics with the right token."""
    return served.call("GET", "/metrics", {"Authorization": f"Bearer {TOKEN}", **headers})


def samples(served: Served) -> Samples:
    """(name, labels) -> number, of one scrape."""
    reply = scrape(served)
    assert reply.status == 200
    return parsed(reply.body.decode())


def parsed(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: Samples, name: str, **labels: str) -> float:
    """The sum of a metric over every sample that carries these labels."""
    wanted = frozenset(labels.items())
    return sum(number for (shown, of), number in found.items() if shown == name and wanted <= of)
