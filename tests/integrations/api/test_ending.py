"""Ending a connection while something else changes it."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction

from integrations import connections, tasks
from integrations.models import Connection
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import of

#: the module; the package offers its function under the same name
ending = import_module("integrations.connections.disconnect")


@pytest.mark.db
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(database.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_a_refresh_that_ends_meanwhile_does_not_fail_the_disconnect(world: World, monkeypatch: Any) -> None:
    made = factories.connection(world)
    monkeypatch.setattr(tasks.carry_out_revocation, "apply_async", lambda **_: None)
    stored: list[int] = []

    def store_a_refresh() -> None:
        with transaction.atomic():
            rows = Connection.objects.filter(pk=made.pk, token_version=1)
            stored.append(rows.update(token_version=2))
        database.close()

    refresh = threading.Thread(target=store_a_refresh)
    remember = ending._remember_tokens

    def remember_slowly(connection: Connection) -> Any:
        refresh.start()
        refresh.join(timeout=0.5)
        return remember(connection)

    monkeypatch.setattr(ending, "_remember_tokens", remember_slowly)
    assert of(world).delete(f"/api/v1/connections/{made.pk}").status_code == 204
    refresh.join(timeout=10)
    made.refresh_from_db()
    assert (made.status, made.access_token, stored) == ("disconnected", None, [0])


def test_connections_end_together_or_not_at_all(world: World, monkeypatch: Any) -> None:
    for name in ("default", "emea"):
        factories.connection(world, "42", name=name)
    real, calls = connections.disconnect, []

    def second_fails(connection: Connection, **rest: Any) -> Any:
        calls.append(connection.pk)
        if len(calls) == 2:
            raise RuntimeError("broken")
        return real(connection, **rest)

    monkeypatch.setattr(connections, "disconnect", second_fails)
    reply = of(world).delete("/api/saas-org-user/delete-user/hbdev?userForeignIdentifier=42")
    assert reply.status_code == 500 and reply["Content-Type"] == "application/problem+json"
    assert set(Connection.objects.values_list("status", flat=True)) == {"active"}
