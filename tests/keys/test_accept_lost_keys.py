"""`manage.py accept_lost_keys`: what an operator gives up, and nothing by itself."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry, Event
from integrations import connections, lost_keys
from integrations.models import Connection
from integrations.models.connection import Status
from sealing import health, seal
from tests import factories
from tests.factories import ACTOR, World

pytestmark = [pytest.mark.django_db, pytest.mark.db]


@pytest.fixture
def rows(world: World, settings: Any) -> dict[str, Connection]:
    """Some of each kind under a key that goes; one, and one refresh token, under the key that is left."""
    made = {name: factories.connection(world, name) for name in ("active", "paused", "dead", "kept", "half")}
    connections.pause(made["paused"], actor=ACTOR)
    Connection.objects.filter(pk=made["dead"].pk).update(
        status=Status.RECONNECT_REQUIRED, status_reason="revoked_at_provider"
    )
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    for name, columns in (("kept", ("access_token", "refresh_token")), ("half", ("refresh_token",))):
        for column in columns:
            sealed = seal("of the new key", model=Connection, field=column, pk=made[name].pk)
            Connection.objects.filter(pk=made[name].pk).update(**{column: sealed})
    Event.objects.all().delete()
    return made


def run(*words: str) -> str:
    out = StringIO()
    call_command("accept_lost_keys", *words, stdout=out)
    return out.getvalue()


def test_without_the_word_it_only_shows(rows: dict[str, Connection]) -> None:
    before = list(Connection.objects.order_by("pk").values_list("status", "access_token", "token_version"))
    out = StringIO()
    with pytest.raises(CommandError, match="--really-lost") as caught:
        call_command("accept_lost_keys", stdout=out)
    assert caught.value.returncode == 1
    assert "3 connections would have to reconnect" in out.getvalue()
    assert before == list(
        Connection.objects.order_by("pk").values_list("status", "access_token", "token_version")
    )
    assert not health.keys_are_well()[0] and not Event.objects.exists()


def test_with_the_word_customers_are_asked_and_the_installation_is_well_again(
    rows: dict[str, Connection], world: World
) -> None:
    text = run("--really-lost")
    assert "3 connections were asked to reconnect" in text
    assert f"client secret of hbdev ({world.client.client_id})" in text
    now = {name: Connection.objects.get(pk=row.pk) for name, row in rows.items()}
    assert (now["active"].status, now["active"].status_reason) == ("reconnect_required", "unreadable_secret")
    assert (now["active"].access_token, now["active"].refresh_token) == (None, None)
    assert (now["paused"].status, now["paused"].status_before_pause) == ("paused", "reconnect_required")
    assert now["dead"].status_reason == "revoked_at_provider" and now["dead"].refresh_token is None
    for name in ("kept", "half"):
        assert now[name].status == "active" and now[name].refresh_token.is_readable()
    assert health.keys_are_well() == (True, "")
    assert [event.type for event in Event.objects.all()] == ["connection.reconnect_required"]
    assert AuditEntry.objects.filter(action="connection.tokens_given_up").count() == 2


def test_a_paused_connection_is_asked_when_it_is_resumed(rows: dict[str, Connection]) -> None:
    run("--really-lost")
    connections.resume(Connection.objects.get(pk=rows["paused"].pk), actor=ACTOR)
    resumed = Connection.objects.get(pk=rows["paused"].pk)
    assert (resumed.status, resumed.status_reason) == ("reconnect_required", "unreadable_secret")


def test_a_second_run_finds_nothing_more(rows: dict[str, Connection]) -> None:
    run("--really-lost")
    assert "0 connections were asked to reconnect" in run("--really-lost")
    assert Event.objects.count() == 1


def test_a_reconnect_that_comes_in_between_is_kept(
    rows: dict[str, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = lost_keys._is_lost

    def and_then_the_customer_reconnects(connection: Connection) -> bool:
        is_lost = judge(connection)
        if is_lost:
            sealed = seal("brand new", model=Connection, field="refresh_token", pk=connection.pk)
            Connection.objects.filter(pk=connection.pk).update(
                refresh_token=sealed, token_version=connection.token_version + 1
            )
        return is_lost

    monkeypatch.setattr(lost_keys, "_is_lost", and_then_the_customer_reconnects)
    run("--really-lost")
    assert Connection.objects.get(pk=rows["active"].pk).status == "active"


def test_with_all_keys_in_place_nothing_is_given_up(world: World) -> None:
    made = factories.connection(world)
    assert "0 connections were asked to reconnect" in run("--really-lost")
    assert Connection.objects.get(pk=made.pk).status == "active"
