"""Known failures under *callback*, as the customer's browser meets them at the served address."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import DatabaseError
from django.db import connection as database_connection
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import setup, tokens
from integrations.connect import completion
from integrations.models import AuthorizationAttempt, Connection, ConnectLink, Integration
from integrations.models.connection import Status
from integrations.provider_calls import transport
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.connect.conftest import (
    HUBSPOT_TOKEN,
    Browser,
    MakeEntry,
    MakeIntegration,
    MakeLink,
    Web,
    connection_of,
    link_to,
    outcome_of,
    play_hubspot,
    state_of,
)
from tests.provider_server import Answer, ProviderServer

pytestmark = pytest.mark.django_db
TOKEN_PATH = "/oauth/2026-09/token"
GRANTED = {"access_token": "CAccess-1", "refresh_token": "na1-refresh-1", "expires_in": 1800, "hub_id": 62515}


def exchanges(sandbox: Any) -> list[dict[str, Any]]:
    arrived = sandbox.control("GET", f"/_control/requests?path={TOKEN_PATH}")
    return [request for request in arrived if request["rawTarget"] == TOKEN_PATH]


def test_cal_01_deny_asks_for_no_token_and_spends_the_state(
    at_sandbox: Any, make_link: MakeLink, web: Web
) -> None:
    new = make_link()
    state = state_of(web.leave(new))
    denied = urlencode({"error": "access_denied", "error_description": "The user denied", "state": state})
    assert outcome_of(web.come_back(denied)) == "denied"
    assert outcome_of(web.come_back(urlencode({"code": "late", "state": state}))) == "denied"
    assert exchanges(at_sandbox) == []
    assert AuditEntry.objects.filter(action="connect.denied").count() == 1
    assert connection_of(new).status == Status.PENDING


def test_cal_02_a_callback_without_state_reaches_no_token_endpoint(
    at_sandbox: Any, make_link: MakeLink, web: Web
) -> None:
    web.leave(make_link())
    page = web.come_back("code=abc")
    assert page.status_code == 400
    assert b"What you can do" in page.content
    assert exchanges(at_sandbox) == []
    assert AuthorizationAttempt.objects.get().claimed_at is None
    assert not Connection.objects.exclude(status=Status.PENDING).exists()


def test_cal_03_the_same_callback_twice_succeeds_twice_and_exchanges_once(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser
) -> None:
    query = browser.consent(web.leave(make_link()))
    first, second = web.come_back(query), web.come_back(query)
    assert (outcome_of(first), outcome_of(second)) == ("connected", "connected")
    assert len(exchanges(at_sandbox)) == 1
    assert Connection.objects.count() == 1
    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_cal_04_four_callbacks_at_once_with_four_codes_exchange_one(
    provider_server: ProviderServer, make_link: MakeLink, web: Web
) -> None:
    state = state_of(web.leave(make_link()))
    play_hubspot(provider_server, Answer(GRANTED, delay_seconds=0.5))
    gate = threading.Barrier(4)
    outcomes: list[str] = []

    def come_back(code: str) -> None:
        try:
            gate.wait(10)
            outcomes.append(outcome_of(web.come_back(urlencode({"code": code, "state": state}))))
        finally:
            database_connection.close()

    threads = [threading.Thread(target=come_back, args=(code,)) for code in ("c1", "c2", "c3", "c4")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=40)
    assert outcomes == ["connected"] * 4
    assert len(provider_server.received(HUBSPOT_TOKEN)) == 1
    assert Connection.objects.count() == 1


@pytest.mark.parametrize("header", ["Sec-Purpose", "Purpose"])
def test_cal_06_a_prefetch_exchanges_nothing_and_the_click_succeeds(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser, header: str
) -> None:
    query = browser.consent(web.leave(make_link()))
    ahead = web.come_back(query, **{header: "prefetch"})
    assert (ahead.status_code, ahead.content) == (204, b"")
    assert exchanges(at_sandbox) == []
    assert outcome_of(web.come_back(query)) == "connected"
    assert len(exchanges(at_sandbox)) == 1


def test_cal_08_an_encoded_code_is_sent_as_it_came(
    provider_server: ProviderServer, make_link: MakeLink, web: Web
) -> None:
    state = state_of(web.leave(make_link()))
    play_hubspot(provider_server, GRANTED)
    assert outcome_of(web.come_back(f"code=4%2F0AbC%2Bd%3D%3D&state={state}")) == "connected"
    (sent,) = provider_server.received(HUBSPOT_TOKEN)
    assert sent.form["code"] == "4/0AbC+d=="
    assert b"code=4%2F0AbC%2Bd%3D%3D&" in sent.body + b"&"


def _is_failure_with_a_way_back(page: Any, reason: str) -> None:
    assert outcome_of(page) == "failed"
    assert b">Try again</a>" in page.content
    assert AuthorizationAttempt.objects.get().outcome_reason == reason
    row = Connection.objects.get()
    assert (row.status, row.access_token, row.refresh_token) == (Status.PENDING, None, None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer({"error": "invalid_grant"}, status=400), "rejected"),
        (Answer("busy", status=503, content_type="text/plain"), "unavailable"),
        (Answer(is_dropped=True), "unavailable"),
        (Answer("<h1>Hello</h1>", content_type="text/html"), "bad_response"),
    ],
    ids=["invalid_grant", "503", "dropped", "html"],
)
def test_cal_09_trouble_during_the_exchange_is_a_page_with_a_way_back(
    provider_server: ProviderServer, make_link: MakeLink, web: Web, answer: Answer, reason: str
) -> None:
    state = state_of(web.leave(make_link()))
    play_hubspot(provider_server, answer)
    _is_failure_with_a_way_back(web.come_back(f"code=c&state={state}"), reason)
    assert len(provider_server.requests) == 1


def test_cal_09_a_refused_connection_is_unavailable(make_link: MakeLink, web: Web, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    state = state_of(web.leave(make_link()))
    settings.UPSTREAM_MAP = {"https://api.hubapi.com": f"http://127.0.0.1:{port}"}
    _is_failure_with_a_way_back(web.come_back(f"code=c&state={state}"), "unavailable")


def test_cal_09_a_silent_token_endpoint_is_unavailable_after_the_time_limit(
    provider_server: ProviderServer, make_link: MakeLink, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """15 s in all; half a second here."""
    assert transport.TOKEN_LIMITS.total_seconds == 15
    limits = replace(transport.TOKEN_LIMITS, total_seconds=0.5)
    monkeypatch.setattr(transport, "TOKEN_LIMITS", limits)
    state = state_of(web.leave(make_link()))
    play_hubspot(provider_server, Answer(GRANTED, delay_seconds=2))
    _is_failure_with_a_way_back(web.come_back(f"code=c&state={state}"), "unavailable")


def test_cal_10_a_code_that_comes_an_hour_late_is_never_exchanged(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser
) -> None:
    query = browser.consent(web.leave(make_link()))
    AuthorizationAttempt.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    page = web.come_back(query)
    assert page.status_code == 400
    assert b"That took too long" in page.content
    assert exchanges(at_sandbox) == []
    assert AuthorizationAttempt.objects.get().claimed_at is None


def test_cal_11_a_deleted_integration_and_its_namesake_get_nothing(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser, world: World
) -> None:
    query = browser.consent(web.leave(make_link()))
    setup.delete(world.integration, actor=ACTOR)
    factories.integration()
    page = web.come_back(query)
    assert page.status_code == 400
    assert exchanges(at_sandbox) == []
    assert Connection.objects.count() == 0


def test_cal_11_an_integration_that_is_switched_off_meanwhile_keeps_nothing_and_gives_the_grant_back(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser, world: World
) -> None:
    query = browser.consent(web.leave(make_link()))
    Integration.objects.filter(pk=world.integration.pk).update(is_enabled=False)
    page = web.come_back(query)
    assert outcome_of(page) == "failed"
    assert b"was removed while you were away" in page.content
    assert Connection.objects.exclude(access_token=None).count() == 0
    assert len(at_sandbox.control("GET", f"/_control/requests?path={TOKEN_PATH}/revoke")) == 1


def test_cal_11_what_is_given_back_is_not_what_another_connection_uses(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser, world: World
) -> None:
    """HubSpot ends the one refresh token that it is sent; the same account was connected before."""
    other = make_link("customer-2")
    browser.walk(other)
    query = browser.consent(web.leave(make_link()))
    Integration.objects.filter(pk=world.integration.pk).update(is_enabled=False)
    assert outcome_of(web.come_back(query)) == "failed"
    assert len(at_sandbox.control("GET", f"/_control/requests?path={TOKEN_PATH}/revoke")) == 1
    assert tokens.refresh_now(other.link.connection_id).status == "active"


def test_cal_11_a_grant_that_another_connection_uses_is_not_given_back(
    ends_accounts: None,
    at_sandbox: Any,
    make_link: MakeLink,
    web: Web,
    browser: Browser,
    world: World,
) -> None:
    """Where the provider ends all connections of an app to an account at once."""
    browser.walk(make_link("customer-2"))
    query = browser.consent(web.leave(make_link()))
    Integration.objects.filter(pk=world.integration.pk).update(is_enabled=False)
    assert outcome_of(web.come_back(query)) == "failed"
    assert at_sandbox.control("GET", f"/_control/requests?path={TOKEN_PATH}/revoke") == []


@pytest.mark.parametrize("error", ["access_denied", "server_error"])
def test_cal_15_hostile_words_of_the_callback_stay_words(
    at_sandbox: Any, make_link: MakeLink, web: Web, error: str
) -> None:
    state = state_of(web.leave(make_link()))
    hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%0d%0aX:1+" + "a" * 900
    page = web.come_back(f"error={error}&error_description={hostile}&state={state}")
    text = page.content.decode()
    assert page.status_code == 200
    assert "<script>alert" not in text
    assert 400 * "a" in text if error == "server_error" else "aaaa" not in text
    assert 500 * "a" not in text
    assert "X" not in page.headers
    assert "script-src" in page["Content-Security-Policy"]
    assert "'unsafe-inline'" not in page["Content-Security-Policy"]


ZOHO = {
    "token_endpoint": "https://{accounts_host}/oauth/v2/token",
    "callback_captures": [
        {
            "parameter": "accounts-server",
            "store_as": "accounts_host",
            "takes": "host",
            "allowed_host_suffixes": ["accounts.zoho.example", ".zoho.example"],
        }
    ],
}


@pytest.mark.parametrize(
    ("server", "is_allowed"),
    [
        ("https://accounts.zoho.example", True),
        ("https://evil.example", False),
        ("https://accounts.zoho.example.evil.example", False),
        ("https://evil.example/accounts.zoho.example", False),
    ],
)
def test_cal_16_a_host_in_the_callback_is_used_only_when_it_is_the_provider_s(
    make_entry: MakeEntry,
    make_integration: MakeIntegration,
    provider_server: ProviderServer,
    browser: Browser,
    server: str,
    is_allowed: bool,
) -> None:
    """The client secret and the code would go there."""
    make_entry("zoho", **ZOHO)
    new = link_to(make_integration("zoho-dev", "zoho", ["read"]))
    state = state_of(browser.leave(new))
    provider_server.plays("evil.example", "accounts.zoho.example.evil.example")
    provider_server.on("POST", "https://accounts.zoho.example/oauth/v2/token", {"access_token": "a"})
    provider_server.on("GET", "https://api.zoho.example/me", {"id": "1"})
    query = urlencode({"code": "c", "state": state, "location": "eu", "accounts-server": server})
    finished = browser.come_back(query, slug="zoho-dev")
    if is_allowed:
        assert finished.outcome == "connected"
        assert connection_of(new).captured == {"accounts_host": "accounts.zoho.example"}
    else:
        assert (finished.outcome, finished.reason) == ("failed", "bad_parameter")
        assert provider_server.requests == []


@pytest.mark.parametrize("broken", ["_write", "_spend", "_tell"])
def test_cal_18_a_database_error_is_a_failure_page_and_stores_nothing(
    at_sandbox: Any,
    make_link: MakeLink,
    web: Web,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise DatabaseError("disk full")

    query = browser.consent(web.leave(make_link()))
    monkeypatch.setattr(completion, broken, fail)
    page = web.come_back(query)
    _is_failure_with_a_way_back(page, "stored_failed")
    assert b"disk full" not in page.content
    assert not Event.objects.exists()
    assert ConnectLink.objects.get().completed_at is None


def test_cal_18_a_failing_account_look_up_is_a_success_with_a_note_and_made_good_later(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser
) -> None:
    from integrations.tasks import complete_identities

    new = make_link()
    query = browser.consent(web.leave(new))
    fault = {"match": {"method": "GET", "path": "/account-info"}, "times": 1, "status": 500, "body": "{}"}
    at_sandbox.control("POST", "/_control/faults", fault)
    page = web.come_back(query)
    assert outcome_of(page) == "connected"
    assert b'class="note"' in page.content
    made = connection_of(new)
    assert (made.status, made.status_reason, made.provider_account_id) == ("active", "identity_unknown", "")
    assert complete_identities() == 1
    made.refresh_from_db()
    assert (made.status_reason, made.provider_account_id) == ("", "62515")
