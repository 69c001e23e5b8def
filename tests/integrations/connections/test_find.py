"""Looking one connection up among many."""

from __future__ import annotations

import pytest
from django.db import connection as database

from integrations import connections
from tests import factories
from tests.factories import World

pytestmark = pytest.mark.db


def test_the_customer_is_reached_by_the_index_over_identifiers(world: World) -> None:
    row = factories.connection(world, "customer-1")
    rows = connections.of_customer(
        connections.visible_to(world.credential), partner_id=world.partner.pk, foreign_identifier="customer-1"
    )

    assert list(rows) == [row]
    if database.vendor == "sqlite":  # PostgreSQL reads so small a table as a whole
        assert "customer_identifier_unique" in rows.explain() or "partner_id=? AND identifier_sha256=?" in (
            rows.explain()
        )


def test_another_partners_customer_of_that_name_is_not_found(world: World) -> None:
    other = factories.world("Other", of=world.integration)
    factories.connection(other, "customer-1")

    rows = connections.of_customer(
        connections.visible_to(world.credential), partner_id=world.partner.pk, foreign_identifier="customer-1"
    )

    assert not rows.exists()
