"""What the token endpoint may answer to a code, seen from the stored connection (cases under *token*)."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from accounts.models import Event
from integrations import tokens
from integrations.models import AuthorizationAttempt
from integrations.models.connection import Status
from tests.integrations.connect.conftest import Browser, MakeLink, connection_of

pytestmark = pytest.mark.django_db


def fault(sandbox: Any, **what: Any) -> None:
    match = {"method": "POST", "path": "/oauth/2026-09/token"}
    sandbox.control("POST", "/_control/faults", {"match": match, "times": 1, **what})


def shape(sandbox: Any, **members: Any) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"shape": members})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("soon", 1800), (None, 1800), (-5, 1800), (True, 1800), ([], 1800), (3600.9, 3600), (" 3600 ", 3600)],
)
def test_tok_04_an_unusable_expires_in_counts_as_missing(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, value: Any, seconds: int
) -> None:
    """Missing means the provider's own default, 1,800 s for HubSpot, since there is a refresh token."""
    shape(at_sandbox, expires_in=value)
    new = make_link()
    assert browser.walk(new).outcome == "connected"
    assert connection_of(new).access_token_lifetime == seconds


def test_tok_05_a_zero_lifetime_is_refreshed_before_the_first_use(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    shape(at_sandbox, expires_in=0, refresh_expires_in=0)
    new = make_link()
    browser.walk(new)
    shape(at_sandbox)
    made = connection_of(new)
    assert made.refresh_token_expires_at is None
    assert tokens.ensure_fresh(made.pk).version == made.token_version + 1


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", "access_token=gho_x&scope=repo%2Cgist&token_type=bearer"),
        ("text/plain", '{"access_token": "gho_x", "token_type": "bearer"}'),
        ("text/html; charset=utf-8", '\ufeff{"access_token": "gho_x"}'),
        ("application/json", "access_token=gho_x&token_type=bearer"),
    ],
)
def test_tok_07_and_08_a_reply_is_read_by_what_it_is(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, content_type: str, body: str
) -> None:
    new = make_link()
    query = browser.consent(browser.leave(new))
    fault(at_sandbox, status=200, headers={"Content-Type": content_type}, body=body)
    assert browser.come_back(query).outcome == "connected"
    assert connection_of(new).access_token.open().reveal() == "gho_x"
    sent = at_sandbox.control("GET", "/_control/requests?path=/oauth/2026-09/token")[0]
    assert ["Accept", "application/json"] in sent["headers"]


@pytest.mark.parametrize(
    "body", [{"error": "bad_verification_code", "error_description": "…"}, "error=bad_verification_code"]
)
def test_tok_09_an_error_inside_http_200_fails_the_flow(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, body: Any
) -> None:
    new = make_link()
    query = browser.consent(browser.leave(new))
    fault(at_sandbox, status=200, body=body)
    assert browser.come_back(query).outcome == "failed"
    attempt = AuthorizationAttempt.objects.get()
    assert (attempt.outcome_reason, attempt.outcome_detail) == ("rejected", "bad_verification_code")
    assert connection_of(new).status == Status.PENDING


def test_tok_16_very_long_tokens_are_stored_whole(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    access_token, refresh_token = "C" + "a" * 11_999, "r" * 6_000
    shape(at_sandbox, access_token=access_token, refresh_token=refresh_token)
    new = make_link()
    assert browser.walk(new).outcome == "connected"
    made = connection_of(new)
    assert made.access_token.open().reveal() == access_token
    assert made.refresh_token.open().reveal() == refresh_token


def test_tok_17_the_real_cause_reaches_the_log_and_no_secret_does(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    query = browser.consent(browser.leave(make_link()))
    fault(at_sandbox, status=404, headers={"Content-Type": "text/html"}, body="<h1>Not here</h1>")
    browser.come_back(query)
    assert "404" in caplog.text and "text/html" in caplog.text and "Not here" in caplog.text
    for secret in (query.split("code=")[1].split("&")[0], "0c6b2a0e-6f3f-4b3c"):
        assert secret not in caplog.text


def test_tok_19_a_reconnect_without_refresh_token_keeps_the_stored_one(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    new = make_link()
    browser.walk(new)
    before = connection_of(new)
    shape(at_sandbox, __drop=["refresh_token"])
    assert browser.walk(make_link()).outcome == "connected"
    after = connection_of(new)
    assert after.refresh_token == before.refresh_token
    assert after.access_token != before.access_token


@pytest.mark.parametrize("absent", [None, "", "  "])
def test_tok_20_null_and_empty_members_are_no_refresh_token(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, absent: str | None
) -> None:
    shape(at_sandbox, refresh_token=absent, id_token=None, scopes=None)
    new = make_link()
    assert browser.walk(new).outcome == "connected"
    assert connection_of(new).refresh_token is None


def test_tok_23_a_redirecting_token_endpoint_is_never_followed(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    for status in (302, 307):
        query = browser.consent(browser.leave(make_link(f"customer-{status}")))
        fault(at_sandbox, status=status, headers={"Location": f"{at_sandbox.url}/_echo/stolen"}, body="")
        assert browser.come_back(query).reason == "misconfigured"
    assert at_sandbox.control("GET", "/_control/requests?path=/_echo") == []


def test_tok_24_an_endless_reply_is_cut_at_the_cap(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    query = browser.consent(browser.leave(make_link()))
    fault(at_sandbox, status=307, headers={"Location": "/_bytes/200000000"}, body="")
    fault(at_sandbox, status=200, body=" " * 3_000_000 + '{"access_token": "late"}')
    browser.come_back(query)
    again = browser.consent(browser.leave(make_link("customer-2")))
    tracemalloc.start()
    try:
        assert browser.come_back(again).reason == "bad_response"
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


def test_tok_25_a_missing_refresh_token_is_told_at_connect_time(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    shape(at_sandbox, __drop=["refresh_token"])
    new = make_link()
    finished = browser.walk(new)
    made = connection_of(new)
    assert (finished.outcome, made.status) == ("connected", Status.ACTIVE)
    assert made.status_reason == "no_refresh_token"
    assert finished.warning
    assert Event.objects.get().data["refreshable"] is False
