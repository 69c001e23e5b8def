"""The arithmetic behind the tables."""

from __future__ import annotations

import pytest

from benchmarks import figures


def test_a_percentile_is_the_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]

    assert [figures.percentile(values, share) for share in (0.05, 0.3, 0.4, 0.5, 1.0)] == [15, 20, 20, 35, 50]


def test_the_order_of_the_values_does_not_matter() -> None:
    assert figures.percentile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        figures.percentile([], 0.5)


def test_times_are_shown_in_milliseconds() -> None:
    assert figures.in_milliseconds([0.001, 0.002, 0.030]) == {
        "median_ms": 2.0,
        "p95_ms": 30.0,
        "max_ms": 30.0,
    }


def test_a_table_is_markdown_with_aligned_columns() -> None:
    assert figures.table(["a", "long"], [[1, 2], ["three", ""]]).splitlines() == [
        "| a     | long |",
        "| ----- | ---- |",
        "| 1     | 2    |",
        "| three |      |",
    ]
