"""What is drawn for the big tables: the same in every run, and of every kind."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from benchmarks.million import shape

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_a_row_is_the_same_whoever_draws_it() -> None:
    assert shape.draw(4_711, NOW) == shape.draw(4_711, NOW)


def test_no_two_rows_share_an_id_or_a_token() -> None:
    drawn = [shape.draw(number, NOW) for number in range(1_000)]

    assert len({row.pk for row in drawn}) == 1_000
    tokens = [row.refresh_token for row in drawn if row.refresh_token]
    assert len(set(tokens)) == len(tokens)


def test_the_two_connections_of_a_customer_are_on_different_integrations() -> None:
    for customer in range(300):
        first, second = shape.draw(2 * customer, NOW), shape.draw(2 * customer + 1, NOW)
        assert first.customer == second.customer == customer
        assert first.partner == second.partner
        assert first.integration != second.integration


def test_about_one_in_twenty_of_those_that_are_refreshed_is_due() -> None:
    drawn = [shape.draw(number, NOW) for number in range(4_000)]
    refreshed = [row for row in drawn if row.next_refresh_at is not None]
    due = [row for row in refreshed if row.next_refresh_at and row.next_refresh_at <= NOW]

    assert 0.03 < len(due) / len(refreshed) < 0.07
    assert {row.status for row in refreshed} == {"active", "refresh_failing"}


def test_every_status_and_every_integration_is_there() -> None:
    drawn = [shape.draw(number, NOW) for number in range(2_000)]

    assert len(Counter(row.status for row in drawn)) == 6
    assert set(Counter(row.integration for row in drawn)) == set(range(len(shape.INTEGRATIONS)))


def test_only_what_holds_a_grant_has_tokens() -> None:
    for number in range(500):
        row = shape.draw(number, NOW)
        assert (row.refresh_token is not None) == (row.status not in ("pending", "disconnected"))
