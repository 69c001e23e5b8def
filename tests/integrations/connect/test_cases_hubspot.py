"""Known failures of HubSpot's connections (cases/hubspot_failures.md), from the callback to the last refresh."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
import structlog
from django.db import connection as database_connection
from django.utils import timezone

import integrations
from accounts.models import AuditEntry, Event
from integrations import catalogue, connections, tokens
from integrations.errors import ReconnectRequired
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.representation import connection_data
from tests.factories import ACTOR, CLIENT_SECRET
from tests.integrations.connect.conftest import (
    HUBSPOT_TOKEN,
    Browser,
    MakeLink,
    Web,
    connection_of,
    outcome_of,
    play_hubspot,
    state_of,
)
from tests.provider_server import Answer, ProviderServer, Received

pytestmark = pytest.mark.django_db
GRANTED = {"access_token": "CAccess-1", "refresh_token": "na1-refresh-1", "expires_in": 1800, "hub_id": 62515}


def clock_at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


@pytest.fixture
def scripted(
    provider_server: ProviderServer, make_link: MakeLink, browser: Browser
) -> Callable[..., Connection]:
    """scripted(answer, …) connects with the first answer of the token endpoint and leaves it the others."""

    def connect_with(*answers: Any) -> Connection:
        new = make_link()
        url = browser.leave(new)
        play_hubspot(provider_server, *answers)
        assert browser.come_back(f"code=c&state={state_of(url)}").outcome == "connected"
        return connection_of(new)

    return connect_with


def refreshes(server: ProviderServer) -> list[Received]:
    return [r for r in server.received(HUBSPOT_TOKEN) if r.form["grant_type"] == "refresh_token"]


def test_hubspot_01_three_hours_of_use_never_meet_an_expired_token(
    scripted: Callable[..., Connection], provider_server: ProviderServer
) -> None:
    """One use a minute. Every token lives 1,800 s from its issue, as the test's clock tells."""
    issued: dict[str, datetime] = {}
    now = timezone.now()

    def issue(_: Received) -> Answer:
        token = f"CAccess-{len(issued)}"
        issued[token] = now
        return Answer({**GRANTED, "access_token": token})

    made = scripted(issue)
    begin = now
    for minute in range(180):
        now = begin + timedelta(minutes=minute)
        token = tokens.ensure_fresh(made.pk, clock=clock_at(now)).secret.reveal()
        assert now - issued[token] < timedelta(seconds=1800)
    assert 6 <= len(refreshes(provider_server)) <= 7


@pytest.mark.parametrize("lifetime", [5, 1800, 21_600])
def test_hubspot_17_the_expiry_is_a_moment_and_no_lifetime_is_assumed(
    scripted: Callable[..., Connection], provider_server: ProviderServer, lifetime: int
) -> None:
    made = scripted({**GRANTED, "expires_in": lifetime}, {**GRANTED, "access_token": "CAccess-2"})
    assert made.access_token_expires_at is not None and made.token_stored_at is not None
    assert made.access_token_expires_at - made.token_stored_at == timedelta(seconds=lifetime)
    early = clock_at(made.token_stored_at + timedelta(seconds=lifetime // 2))
    assert tokens.ensure_fresh(made.pk, clock=early).secret.reveal() == "CAccess-1"
    assert refreshes(provider_server) == []
    late = clock_at(made.access_token_expires_at)
    assert tokens.ensure_fresh(made.pk, clock=late).secret.reveal() == "CAccess-2"


@pytest.mark.parametrize(
    "body",
    [
        {
            "status": "BAD_REFRESH_TOKEN",
            "message": "missing or unknown refresh token",
            "error": "invalid_grant",
        },
        {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"},
        {"error": "invalid_grant", "error_description": "refresh token is invalid, expired or revoked"},
    ],
)
def test_hubspot_19_a_dead_connection_is_not_tried_again_and_the_partner_is_told_once(
    scripted: Callable[..., Connection], provider_server: ProviderServer, body: dict[str, str]
) -> None:
    made = scripted(GRANTED, Answer(body, status=400))
    later = clock_at(timezone.now() + timedelta(hours=1))
    for _ in range(3):
        with pytest.raises(ReconnectRequired) as error:
            tokens.ensure_fresh(made.pk, clock=later)
        assert error.value.reason == "revoked_at_provider"
    assert len(refreshes(provider_server)) == 1
    made.refresh_from_db()
    assert (made.status, made.next_refresh_at) == (Status.RECONNECT_REQUIRED, None)
    (event,) = Event.objects.filter(type="connection.reconnect_required")
    assert event.data["statusReason"]["code"] == "revoked_at_provider"
    assert event.data["reconnectUrl"]


@pytest.mark.django_db(transaction=True)
def test_hubspot_20_disconnecting_during_a_refresh_leaves_no_secret(
    scripted: Callable[..., Connection], provider_server: ProviderServer
) -> None:
    """What the refresh brings afterwards is thrown away; an unreachable HubSpot keeps nobody connected."""
    arrived, go_on = threading.Event(), threading.Event()

    def answer_late(_: Received) -> Answer:
        arrived.set()
        go_on.wait(10)
        return Answer({**GRANTED, "access_token": "CAccess-2", "refresh_token": "na1-refresh-2"})

    made = scripted(GRANTED, answer_late)
    provider_server.on("POST", f"{HUBSPOT_TOKEN}/revoke", Answer(is_dropped=True))
    later = clock_at(timezone.now() + timedelta(hours=1))
    ended: list[str] = []

    def use() -> None:
        try:
            tokens.ensure_fresh(made.pk, clock=later)
        except Exception as error:
            ended.append(type(error).__name__)
        finally:
            database_connection.close()

    thread = threading.Thread(target=use)
    thread.start()
    assert arrived.wait(10)
    revocation = connections.disconnect(Connection.objects.get(pk=made.pk), actor=ACTOR)
    go_on.set()
    thread.join(timeout=20)
    assert revocation is not None and connections.carry_out_revocation(revocation) is None
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.access_token, row.refresh_token) == (Status.DISCONNECTED, None, None)
    assert ended == ["ConnectionNotFound"]
    assert AuditEntry.objects.filter(action="connection.disconnected").count() == 1


def test_hubspot_37_a_deleted_account_is_a_dead_grant(
    scripted: Callable[..., Connection], provider_server: ProviderServer
) -> None:
    body = {"status": "BAD_HUB", "message": "missing or unknown hub id", "error": "access_denied"}
    made = scripted(GRANTED, Answer(body, status=400))
    later = clock_at(timezone.now() + timedelta(hours=1))
    for _ in range(2):
        with pytest.raises(ReconnectRequired):
            tokens.ensure_fresh(made.pk, clock=later)
    assert len(refreshes(provider_server)) == 1
    assert connection_data(Connection.objects.get(pk=made.pk))["status"] == "reconnect_required"


def test_hubspot_44_tokens_of_any_length_are_stored_and_sent_whole(
    scripted: Callable[..., Connection], provider_server: ProviderServer
) -> None:
    long_access, long_refresh = "C" + "a" * 4_000, "na1-" + "r" * 4_000
    made = scripted({**GRANTED, "access_token": long_access, "refresh_token": long_refresh}, GRANTED)
    assert tokens.open_tokens(made) == {"access_token": long_access, "refresh_token": long_refresh}
    tokens.refresh_now(made.pk)
    assert refreshes(provider_server)[0].form["refresh_token"] == long_refresh


def test_hubspot_13_a_scope_that_was_not_granted_is_told_and_asked_for_again(
    scripted: Callable[..., Connection], make_link: MakeLink, browser: Browser
) -> None:
    granted = ["oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.deals.read"]
    made = scripted({**GRANTED, "scopes": granted})
    data = connection_data(made)
    assert data["grantedScopes"] == granted
    assert data["missingScopes"] == ["crm.objects.companies.read", "crm.objects.deals.write"]
    assert "crm.objects.companies.read" in browser.leave(make_link())


def test_hubspot_35_the_dated_version_is_asked_and_secrets_travel_in_bodies_alone(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    new = make_link()
    query = browser.consent(browser.leave(new))
    assert browser.come_back(query).outcome == "connected"
    made = connection_of(new)
    opened = tokens.open_tokens(made)
    tokens.refresh_now(made.pk)
    revocation = connections.disconnect(Connection.objects.get(pk=made.pk), actor=ACTOR)
    assert revocation is not None and connections.carry_out_revocation(revocation) == "confirmed"
    asked = [
        request["rawTarget"]
        for request in at_sandbox.control("GET", "/_control/requests")
        if "authorize" not in request["rawTarget"]
    ]
    assert asked.count("/oauth/2026-09/token") == 2
    assert "/oauth/2026-09/token/revoke" in asked
    assert not [target for target in asked if "/oauth/v1" in target or "/oauth/v3" in target]
    secrets = [parse_qs(query)["code"][0], CLIENT_SECRET, *opened.values()]
    assert not [target for target in asked for secret in secrets if secret in target]


def test_hubspot_35_the_version_is_data_of_the_entry() -> None:
    """No module of the platform names one."""
    entry = catalogue.get("hubspot")
    addresses = [entry.oauth.token_endpoint, *(probe.url for probe in entry.identity)]
    assert all("/2026-09/" in address for address in addresses)
    modules = list(Path(integrations.__file__).parent.rglob("*.py"))
    assert len(modules) > 50
    assert not [m.name for m in modules if re.search(r"/20\d\d-\d\d/|oauth/v\d", m.read_text("utf-8"))]


def test_hubspot_38_the_data_centre_of_the_account_is_kept_and_the_usual_host_asked(
    provider_server: ProviderServer, make_link: MakeLink, browser: Browser
) -> None:
    new = make_link()
    url = browser.leave(new)
    play_hubspot(provider_server, GRANTED)
    account = {"portalId": 62515, "uiDomain": "app-eu1.hubspot.com", "dataHostingLocation": "eu1"}
    provider_server.on("GET", "https://api.hubapi.com/account-info/2026-09/details", account)
    assert browser.come_back(f"code=c&state={state_of(url)}").outcome == "connected"
    made = connection_of(new)
    assert made.provider_account_data["ui_domain"] == "app-eu1.hubspot.com"
    assert made.provider_account_data["data_hosting_location"] == "eu1"
    assert made.provider_account_url == "https://app-eu1.hubspot.com/home?portalId=62515"
    provider = made.integration.provider
    assert catalogue.resolve_base_url(provider, made.config_values()) == "https://api.hubapi.com"
    assert "api-eu1.hubapi.com" in catalogue.resolve_hosts(provider, made.config_values())


def test_hubspot_16_a_code_that_is_too_old_offers_to_start_again_and_a_reload_exchanges_nothing(
    provider_server: ProviderServer, make_link: MakeLink, web: Web
) -> None:
    old = {"status": "EXPIRED_AUTH_CODE", "message": "auth code is expired", "error": "invalid_grant"}
    url = web.leave(make_link())
    play_hubspot(provider_server, Answer(old, status=400), GRANTED)
    for _ in range(2):
        page = web.come_back(f"code=old&state={state_of(url)}")
        assert outcome_of(page) == "failed"
    assert len(provider_server.received(HUBSPOT_TOKEN)) == 1
    again = page.content.decode().split('class="button" href="')[1].split('"')[0]
    assert again.startswith("/connect/")
    assert web.client.get(again).status_code == 200


@pytest.mark.parametrize("return_url", ["https://evil.example/x", "https://app.hubspot.com/x"])
def test_hubspot_10_an_install_that_began_at_hubspot_ends_on_a_page_and_leads_nowhere(
    db: Any, web: Web, return_url: str
) -> None:
    page = web.come_back(urlencode({"step": "authorize", "returnUrl": return_url}))
    assert page.status_code == 400
    assert "Location" not in page.headers
    assert return_url.encode() not in page.content


def _as_logged(caplog: pytest.LogCaptureFixture) -> str:
    """The records as the configured handler writes them."""
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    formatter = next(f for f in formatters if isinstance(f, structlog.stdlib.ProcessorFormatter))
    lines = [formatter.format(record) for record in caplog.records]
    return "\n".join(lines)


def test_hubspot_34_neither_page_nor_log_shows_code_state_or_tokens(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even at the level at which the libraries tell what they send."""
    caplog.set_level("DEBUG")
    url = web.leave(make_link())
    query = browser.consent(url)
    page = web.come_back(query)
    made = Connection.objects.get()
    assert made.access_token is not None and made.refresh_token is not None
    secrets = [
        parse_qs(query)["code"][0],
        state_of(url),
        CLIENT_SECRET,
        made.access_token.open().reveal(),
        made.refresh_token.open().reveal(),
    ]
    logged = _as_logged(caplog)
    assert "Requesting url" in logged
    for text in (logged, page.content.decode(), str(page.headers)):
        assert not [secret for secret in secrets if secret in text]


def test_hubspot_34_an_error_page_carries_an_id_to_copy_and_nothing_of_the_address(db: Any, web: Web) -> None:
    page = web.come_back("code=na1-secret-code-0123456789&state=unknown-state-0123456789")
    text = page.content.decode() + str(page.headers)
    assert page.status_code == 400
    assert f'data-copy="Copy">{page["X-Request-Id"]}<' in text
    assert "na1-secret-code" not in text and "unknown-state" not in text


def test_hubspot_34_a_refused_callback_is_logged_without_its_query(
    db: Any, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    web.come_back("code=na1-secret-code-0123456789&state=unknown-state-0123456789")
    logged = _as_logged(caplog)
    assert "/oauth/hbdev/callback" in logged
    assert "na1-secret-code" not in logged and "unknown-state" not in logged
