"""How SQLite reaches connections where there may be a million of them: by which index.

PostgreSQL reads tables as small as a test's from end to end; `make bench` looks at its plans.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from integrations.models import Connection

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="plans of SQLite"),
]


def test_what_is_due_is_a_range_of_one_integrations_index() -> None:
    due = Connection.objects.due(timezone.now()).filter(integration="0" * 32)[:100]

    plan = due.explain()
    assert "USING INDEX connection_due (integration_id=? AND next_refresh_at<?)" in plan
    assert len(plan.splitlines()) == 1, "nothing is sorted"


def test_the_newest_are_read_in_the_order_of_an_index() -> None:
    plan = Connection.objects.order_by("-created_at", "-id")[:50].explain()

    assert "connection_newest" in plan
    assert "TEMP B-TREE" not in plan


def test_a_partners_connections_of_one_status_are_a_range() -> None:
    rows = Connection.objects.filter(partner="0" * 32, status="refresh_failing").order_by(
        "-created_at", "-id"
    )

    assert "connection_by_status (status=? AND partner_id=?)" in rows[:26].explain()


def test_orphans_are_looked_for_among_pending_connections_alone() -> None:
    before = timezone.now() - timedelta(days=1)
    rows = Connection.objects.filter(status="pending", created_at__lt=before).order_by()

    assert "connection_by_status (status=?" in rows.explain()
