"""docs/observation.md against what `/metrics` exports and what its own examples name."""

from __future__ import annotations

import re

import pytest

from integrations.models import Connection
from proxy.observation.metrics import METRICS
from tests.docs import pages
from tests.factories import World
from tests.proxy.observation.scraping import scrape
from tests.proxy.servers import Served
from tests.suite import ROOT

PAGE = pages.read(ROOT / "docs" / "observation.md")
_NAME = re.compile(r"\bpatchbay_[a-z0-9_]+")


def table() -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Name -> (kind, labels, meaning)."""
    rows = [row for row in pages.rows(pages.section(PAGE, "Metrics")) if row[0].startswith("`patchbay_")]
    return {row[0].strip("`"): (row[1], tuple(re.findall(r"`(\w+)`", row[2])), row[3]) for row in rows}


def test_the_table_has_the_metrics_with_their_kinds_labels_and_meanings() -> None:
    assert table() == {metric.shown_name: (metric.kind, metric.labels, metric.meaning) for metric in METRICS}


@pytest.mark.served
def test_a_scrape_exports_what_is_in_the_table_and_nothing_else(
    metered: Served, at: World, cust: Connection
) -> None:
    text = scrape(metered).body.decode()
    exported = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert exported == {name: kind for name, (kind, _, _) in table().items()}


def test_alerts_and_text_name_metrics_that_there_are() -> None:
    suffixes = ("_bucket", "_count", "_sum")
    known = set(table()) | {name + suffix for name in table() for suffix in suffixes}
    assert set(_NAME.findall(PAGE)) <= known
