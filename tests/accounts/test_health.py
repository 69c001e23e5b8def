"""Readiness asks the database. Liveness does not: the contract's tests ask the served process for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from sealing import watch

pytestmark = pytest.mark.django_db


def away(*_args: Any) -> Any:
    raise OperationalError("the server closed the connection unexpectedly")


def test_ops_13_with_the_database_away_the_process_is_not_ready(client: Client) -> None:
    watch.forget()
    with connection.execute_wrapper(away):
        ready = client.get("/readyz")
    assert ready.status_code == 503
    checks = ready.json()["checks"]
    assert checks["database"]["status"] == "failing"
    assert "closed the connection" not in ready.content.decode()
