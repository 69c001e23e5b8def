"""How plans are judged: lines as the two databases print them."""

from __future__ import annotations

import pytest

from benchmarks.million import plans


@pytest.mark.parametrize(
    "line",
    [
        "SCAN integrations_connection",
        "SCAN accounts_customer USING COVERING INDEX customer_identifier_unique",
        "Seq Scan on integrations_connection  (cost=0.00..1.00 rows=1 width=1)",
        "   ->  Parallel Seq Scan on integrations_connection  (cost=0.00..1.00 rows=1 width=1)",
    ],
)
def test_reading_a_big_table_from_end_to_end_is_found(line: str) -> None:
    assert plans.full_reads([line]) == [line.strip()]


@pytest.mark.parametrize(
    "line",
    [
        "SEARCH integrations_connection USING INDEX connection_due (next_refresh_at<?)",
        "  ->  Index Scan using connection_due on integrations_connection  (cost=0.42..1.00 rows=1 width=1)",
        "Seq Scan on accounts_partner  (cost=0.00..1.00 rows=1 width=1)",
        "SCAN integrations_integrationgrant",
        "SCAN integrations_connection USING INDEX connection_newest",
    ],
)
def test_a_range_and_a_small_table_are_no_full_reads(line: str) -> None:
    assert plans.full_reads([line]) == []


def test_an_index_that_is_read_to_its_end_and_then_sorted_is_a_full_read() -> None:
    lines = ["SCAN integrations_connection USING INDEX connection_by_partner", "USE TEMP B-TREE FOR ORDER BY"]

    assert plans.full_reads(lines) == lines[:1]


def test_rows_that_were_read_for_nothing_are_counted() -> None:
    lines = ["Index Scan using a on b", "  Rows Removed by Filter: 120", "  Rows Removed by Index Recheck: 3"]

    assert plans.rows_removed(lines) == 123


@pytest.mark.django_db
def test_what_is_undone_leaves_nothing_behind() -> None:
    from accounts.models import Partner

    with plans.undone():
        Partner.objects.create(name="for a moment")

    assert not Partner.objects.exists()


@pytest.mark.django_db
def test_statements_are_recorded_and_can_be_explained() -> None:
    from accounts.models import Partner

    with plans.recorded() as statements:
        list(Partner.objects.filter(name="x"))

    assert [found.sql.split()[0] for found in statements] == ["SELECT"]
    assert plans.explain(statements[0])
