"""Connections, links and attempts in the admin."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Event
from integrations.admin.link import url_without_secrets
from integrations.connect import attempts, links
from integrations.models import AuthorizationAttempt, Connection, PendingRevocation
from integrations.models.connection import Status
from sealing import Sealed, sealed, watch
from tests import factories
from tests.factories import World

pytestmark = pytest.mark.db
LIST = "/admin/integrations/connection/"
TOKEN = "CAccessToken-of-a-test-0123456789"


def change_url(connection: Connection) -> str:
    return reverse("admin:integrations_connection_change", args=[connection.pk])


def shown(client: Client, query: str) -> int:
    response = client.get(LIST, {"q": query})
    assert response.status_code == 200
    return len(response.context["cl"].result_list)


@pytest.fixture
def broken(world: World) -> Connection:
    """One of ten, whose access token no key opens."""
    rows = [factories.connection(world, f"customer-{number}") for number in range(10)]
    gibberish = Sealed(b"gibberish", column="integrations_connection.access_token", pk=rows[4].pk)
    Connection.objects.filter(pk=rows[4].pk).update(access_token=gibberish)
    return rows[4]


def test_adm_04_one_unreadable_row_does_not_break_the_list(boss: Client, broken: Connection) -> None:
    assert shown(boss, "") == 10
    page = boss.get(change_url(broken)).content.decode()
    assert "unreadable" in page
    readable = Connection.objects.exclude(pk=broken.pk).first()
    assert readable is not None
    assert "unreadable" not in boss.get(change_url(readable)).content.decode()


def test_adm_04_an_unreadable_connection_can_be_ended(boss: Client, broken: Connection) -> None:
    boss.post(f"{change_url(broken)[:-7]}disconnect/")
    broken.refresh_from_db()
    assert broken.status == Status.DISCONNECTED
    assert broken.access_token is None


def test_the_list_decrypts_nothing(boss: Client, broken: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The banner of the keys, on every page, opens the canary and now and then a sample; it is asked beforehand."""
    watch.glance()

    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise AssertionError("a list must not decrypt")

    monkeypatch.setattr(sealed.Sealed, "open", refuse)
    assert shown(boss, "") == 10


def test_adm_02_no_token_is_shown_on_any_page(boss: Client, world: World) -> None:
    connection = factories.connection(world, access_token=TOKEN, refresh_token="na1-refresh-token-of-a-test")
    for url in (
        LIST,
        change_url(connection),
        f"{change_url(connection)[:-7]}history/",
        f"{LIST}?q={connection.pk}",
    ):
        page = boss.get(url).content.decode()
        assert TOKEN not in page
        assert "na1-refresh-token-of-a-test" not in page
        assert connection.access_token is not None
        assert connection.access_token.ciphertext.decode() not in page


@pytest.mark.parametrize("query", ["customer-1", "62515", "meowmix", "{uuid}", "{hex}", "{UPPER}"])
def test_connections_are_found_by(boss: Client, world: World, query: str) -> None:
    made = factories.connection(world, "customer-1")
    forms = {"uuid": str(made.pk), "hex": made.pk.hex, "UPPER": str(made.pk).upper()}
    assert shown(boss, query.format(**forms)) == 1


def test_a_customer_whose_identifier_is_a_uuid_is_found_by_it(boss: Client, world: World) -> None:
    identifier = str(uuid.uuid4())
    factories.connection(world, identifier)
    factories.connection(world, "other")
    assert shown(boss, identifier) == 1


@pytest.mark.parametrize(
    "query", ["nobody", "5f0e4a5e-0000-4000-8000-000000000000", "'; --", "%", "\x00", "é" * 300]
)
def test_a_search_for_nothing_finds_nothing(boss: Client, world: World, query: str) -> None:
    factories.connection(world, "customer-1")
    response = boss.get(LIST, {"q": query})
    assert response.status_code == 200
    if query != "\x00":
        assert len(response.context["cl"].result_list) == 0


def test_connections_are_filtered_by_status_integration_and_partner(boss: Client, world: World) -> None:
    factories.connection(world, "one")
    factories.connection(world, "two", status=Status.PAUSED)
    stranger = factories.partner("Stranger")
    for query, count in (
        ("status__exact=paused", 1),
        (f"integration__id__exact={world.integration.pk}", 2),
        (f"partner__id__exact={world.partner.pk}", 2),
        (f"partner__id__exact={stranger.pk}", 0),
    ):
        assert len(boss.get(f"{LIST}?{query}").context["cl"].result_list) == count


def test_a_connection_is_paused_resumed_and_disconnected_after_a_question(boss: Client, world: World) -> None:
    connection = factories.connection(world)
    for name, status in (("pause", "paused"), ("resume", "active"), ("disconnect", "disconnected")):
        url = f"{change_url(connection)[:-7]}{name}/"
        before = Connection.objects.get(pk=connection.pk).status
        assert boss.get(url).status_code == 200
        assert Connection.objects.get(pk=connection.pk).status == before
        assert boss.post(url).status_code == 302
        assert Connection.objects.get(pk=connection.pk).status == status
    assert set(AuditEntry.objects.values_list("actor_kind", flat=True)) >= {"staff"}
    assert Event.objects.filter(connection_id=connection.pk).count() >= 2
    assert PendingRevocation.objects.filter(connection=connection).exists()


def test_the_actions_of_the_list_ask_before_they_act(boss: Client, world: World) -> None:
    rows = [factories.connection(world, f"customer-{number}") for number in range(3)]
    form = {"action": "pause_selected", "_selected_action": [str(row.pk) for row in rows[:2]]}
    page = boss.post(LIST, form).content.decode()
    assert "Stop the use of 2 connections?" in page
    assert not Connection.objects.filter(status=Status.PAUSED).exists()
    response = boss.post(LIST, form | {"confirmed": "yes"}, follow=True)
    assert "2 connections paused." in response.content.decode()
    assert Connection.objects.filter(status=Status.PAUSED).count() == 2


def test_ending_what_holds_no_grant_is_told(boss: Client, world: World) -> None:
    pending = factories.connection(world, status=Status.PENDING)
    response = boss.post(f"{change_url(pending)[:-7]}disconnect/", follow=True)
    assert "holds no grant" in response.content.decode()


def test_who_may_only_view_may_not_act(staff: Any, world: World) -> None:
    connection = factories.connection(world)
    client = staff("view_connection")
    page = client.get(change_url(connection)).content.decode()
    assert ">Disconnect</a>" not in page
    assert "pause_selected" not in client.get(LIST).content.decode()
    for name in ("pause", "resume", "disconnect"):
        assert client.post(f"{change_url(connection)[:-7]}{name}/").status_code == 403
    client.post(
        LIST, {"action": "disconnect_selected", "_selected_action": [str(connection.pk)], "confirmed": "yes"}
    )
    connection.refresh_from_db()
    assert connection.status == Status.ACTIVE


def test_who_may_change_may_act_and_not_edit(staff: Any, world: World) -> None:
    connection = factories.connection(world)
    client = staff("change_connection")
    assert ">Disconnect</a>" in client.get(change_url(connection)).content.decode()
    assert client.post(change_url(connection), {"status": "disconnected"}).status_code == 403
    assert client.post(f"{change_url(connection)[:-7]}delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{change_url(connection)[:-7]}pause/").status_code == 302
    connection.refresh_from_db()
    assert connection.status == Status.PAUSED


def test_scopes_are_shown_as_labels_and_escaped(boss: Client, world: World) -> None:
    connection = factories.connection(world)
    Connection.objects.filter(pk=connection.pk).update(granted_scopes=["oauth", "<b>"])
    page = boss.get(change_url(connection)).content.decode()
    assert '<span class="pb-badge pb-badge--off">oauth</span>' in page
    assert "&lt;b&gt;" in page


# --- links and attempts ------------------------------------------------------------------------------------
@pytest.fixture
def started(world: World) -> attempts.Started:
    request = links.LinkRequest(foreign_identifier="customer-1", display_name="Ms Smith")
    new = links.create_link(world.partner, world.integration, request, actor=factories.ACTOR)
    return attempts.start(new.link, browser_secret="b" * 43, values={})


def test_an_attempt_shows_the_url_that_was_sent_without_its_secrets(
    started: attempts.Started, boss: Client
) -> None:
    from urllib.parse import parse_qs, urlsplit

    sent = parse_qs(urlsplit(started.authorization_url).query)
    told = url_without_secrets(AuthorizationAttempt.objects.get())
    assert parse_qs(urlsplit(told).query) == sent | {"state": ["(hidden)"], "code_challenge": ["(hidden)"]}
    assert told.partition("?")[0] == started.authorization_url.partition("?")[0]
    url = reverse("admin:integrations_authorizationattempt_change", args=[started.attempt.pk])
    page = boss.get(url).content.decode()
    assert "optional_scope=" in page
    assert sent["state"][0] not in page
    assert sent["code_challenge"][0] not in page


def test_an_attempt_of_a_vanished_provider_can_still_be_opened(
    started: attempts.Started, boss: Client
) -> None:
    started.attempt.link.integration.provider_id = "vanished"
    started.attempt.link.integration.save()
    url = reverse("admin:integrations_authorizationattempt_change", args=[started.attempt.pk])
    assert "cannot be shown any more" in boss.get(url).content.decode()


def test_links_and_attempts_are_listed_and_found(started: attempts.Started, boss: Client) -> None:
    for name in ("connectlink", "authorizationattempt"):
        url = f"/admin/integrations/{name}/"
        for query in ("", "customer-1", str(started.attempt.link.connection_id)):
            assert len(boss.get(url, {"q": query}).context["cl"].result_list) == 1
    link_url = reverse("admin:integrations_connectlink_change", args=[started.attempt.link_id])
    page = boss.get(link_url).content.decode()
    assert "pending" in page
    assert started.attempt.link.token_sha256 not in page
