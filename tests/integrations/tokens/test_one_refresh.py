"""One refresh at a time, whoever asks (design rule 2; cases 20 of HubSpot's, REF-04)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import OperationalError
from django.db import connection as database_connection

from integrations import tokens
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.tokens import outcomes
from tests.integrations.tokens.conftest import MakeConnection, refreshes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.db]


def test_ref_04_twenty_callers_cause_one_token_request(connected: MakeConnection, at_sandbox: Any) -> None:
    at_sandbox.control(
        "PATCH", "/_control/behaviour", {"rotateRefreshTokens": True, "tokenDelaySeconds": 0.7}
    )
    made = connected(expired=True)
    seen: list[str] = []

    def call() -> None:
        try:
            seen.append(tokens.ensure_fresh(made.pk).secret.reveal())
        finally:
            database_connection.close()

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(seen) == 20
    assert len(set(seen)) == 1
    assert len(refreshes(at_sandbox)) == 1
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE


def test_a_database_that_is_away_for_a_moment_costs_no_grant(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_sandbox.control("PATCH", "/_control/behaviour", {"rotateRefreshTokens": True})
    made = connected(expired=True)
    real, tries = outcomes.store, []

    def store(*args: Any, **kwargs: Any) -> bool:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("server closed the connection unexpectedly")
        return real(*args, **kwargs)

    monkeypatch.setattr(outcomes, "store", store)
    monkeypatch.setattr(outcomes, "_STORE_WAITS", (0.01, 0.01, 0.01))
    assert tokens.ensure_fresh(made.pk).version == made.token_version + 1
    assert len(tries) == 3
    assert len(refreshes(at_sandbox)) == 1
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.lease_owner) == (Status.ACTIVE, None)
