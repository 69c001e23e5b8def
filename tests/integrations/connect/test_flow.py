"""The connect flow against the served sandbox: consent, callback, and every way in which it can end."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry, Event
from integrations import connect
from integrations.errors import CallbackRefused, LinkUnusable
from integrations.models.connection import Status
from tests.factories import World
from tests.integrations.connect.conftest import (
    ENTERPRISE,
    STARTER,
    Browser,
    MakeLink,
    connection_of,
    parameters,
)

pytestmark = pytest.mark.django_db


def token_requests(sandbox: Any) -> list[dict[str, Any]]:
    return [r for r in sandbox.control("GET", "/_control/requests") if r["rawTarget"].endswith("/token")]


def test_a_customer_connects_and_the_account_is_known(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    new = make_link()
    assert connection_of(new).status == Status.PENDING

    finished = browser.walk(new)

    connection = connection_of(new)
    assert (finished.outcome, finished.warning) == ("connected", "")
    assert connection.status == Status.ACTIVE
    assert connection.provider_account_id == str(STARTER)
    assert connection.provider_account_name
    assert f"portalId={STARTER}" in connection.provider_account_url
    assert connection.access_token is not None and connection.refresh_token is not None
    assert "oauth" in connection.granted_scopes
    assert [event.type for event in Event.objects.all()] == ["connection.created"]
    assert AuditEntry.objects.filter(action="connection.connected").count() == 1


def test_con_05_required_and_optional_scopes_stay_apart(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    sent = parameters(browser.leave(make_link()))
    assert set(sent["scope"][0].split(" ")) >= {"oauth", "crm.objects.contacts.read"}
    assert sent["optional_scope"] == ["crm.objects.deals.read crm.objects.deals.write"]
    assert "crm.objects.deals.read" not in sent["scope"][0]


def test_the_code_challenge_is_proved_at_the_exchange(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    url = browser.leave(make_link())
    assert parameters(url)["code_challenge_method"] == ["S256"]
    browser.come_back(browser.consent(url))
    (request,) = token_requests(at_sandbox)
    assert "code_verifier=" in request["body"]


def test_con_08_the_exchange_replays_the_redirect_uri_as_sent(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, settings: Any
) -> None:
    url = browser.leave(make_link())
    query = browser.consent(url)
    settings.PUBLIC_URL = "https://changed.example"
    assert browser.come_back(query).outcome == "connected"
    (request,) = token_requests(at_sandbox)
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A8000%2Foauth%2Fhbdev%2Fcallback" in request["body"]


def test_cal_01_deny_ends_calmly_and_leaves_the_link_usable(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    new = make_link()
    finished = browser.walk(new, decision="deny")
    assert (finished.outcome, finished.connection) == ("denied", None)
    assert token_requests(at_sandbox) == []
    assert AuditEntry.objects.filter(action="connect.denied").count() == 1
    assert connection_of(new).status == Status.PENDING
    assert browser.walk(new).outcome == "connected"


def test_cal_02_a_callback_without_state_is_refused_before_any_exchange(
    at_sandbox: Any, browser: Browser
) -> None:
    with pytest.raises(CallbackRefused) as refused:
        browser.come_back("code=abc")
    assert refused.value.reason == "no_state"
    assert token_requests(at_sandbox) == []


def test_cal_03_a_repeated_callback_shows_the_first_outcome(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    query = browser.consent(browser.leave(make_link()))
    first, second = browser.come_back(query), browser.come_back(query)
    assert (first.outcome, first.is_repeat) == ("connected", False)
    assert (second.outcome, second.is_repeat) == ("connected", True)
    assert len(token_requests(at_sandbox)) == 1


def test_another_browser_cannot_finish_an_attempt(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    query = browser.consent(browser.leave(make_link()))
    with pytest.raises(CallbackRefused) as refused:
        Browser().come_back(query)
    assert refused.value.reason == "other_browser"
    with pytest.raises(CallbackRefused) as refused:
        connect.finish("hbdev", query, browser_secret=None)
    assert refused.value.reason == "no_cookie"
    assert browser.come_back(query).outcome == "connected"


def test_con_16_two_flows_in_two_tabs_both_finish(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    one, two = browser.leave(make_link("one")), browser.leave(make_link("two"))
    assert browser.come_back(browser.consent(one)).outcome == "connected"
    assert browser.come_back(browser.consent(two)).outcome == "connected"
    first, second = token_requests(at_sandbox)
    assert first["body"] != second["body"]


def test_a_link_is_spent_by_its_first_success(at_sandbox: Any, make_link: MakeLink, browser: Browser) -> None:
    new = make_link()
    late = browser.leave(new)
    browser.walk(new)
    with pytest.raises(LinkUnusable):
        browser.leave(new)
    finished = browser.come_back(browser.consent(late))
    assert (finished.outcome, finished.reason) == ("failed", "link_used")


def test_con_15_a_reconnect_must_land_on_the_same_account(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    browser.walk(make_link())
    before = connection_of(make_link())
    finished = browser.walk(make_link(), hub_id=ENTERPRISE)
    after = connection_of(make_link())
    assert (finished.outcome, finished.reason) == ("failed", "account_mismatch")
    assert after.provider_account_id == str(STARTER)
    assert after.token_version == before.token_version
    assert after.refresh_token == before.refresh_token


def test_con_20_a_reconnect_keeps_the_id_and_clears_the_reason(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    new = make_link()
    browser.walk(new)
    connection = connection_of(new)
    type(connection).objects.filter(pk=connection.pk).update(
        status=Status.RECONNECT_REQUIRED, status_reason="revoked_at_provider"
    )
    again = make_link()
    assert again.link.connection_id == connection.pk
    assert browser.walk(again).outcome == "connected"
    connection.refresh_from_db()
    assert (connection.status, connection.status_reason) == (Status.ACTIVE, "")
    assert "connection.recovered" in Event.objects.values_list("type", flat=True)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 400, "body": {"error": "invalid_grant", "status": "BAD_AUTH_CODE"}}, "rejected"),
        ({"status": 503, "body": "busy"}, "unavailable"),
        ({"action": "drop"}, "unavailable"),
        ({"status": 200, "body": "<h1>Hello</h1>", "headers": {"Content-Type": "text/html"}}, "bad_response"),
        (
            {"status": 302, "headers": {"Location": "https://other.example/token"}, "body": ""},
            "misconfigured",
        ),
    ],
)
def test_cal_09_provider_trouble_during_the_exchange_maps_to_a_reason(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, fault: dict[str, Any], reason: str
) -> None:
    new = make_link()
    query = browser.consent(browser.leave(new))
    at_sandbox.control(
        "POST", "/_control/faults", {"match": {"method": "POST", "path": "/oauth/"}, "times": 1, **fault}
    )
    finished = browser.come_back(query)
    assert (finished.outcome, finished.reason) == ("failed", reason)
    assert connection_of(new).status == Status.PENDING
    assert connection_of(new).access_token is None


def test_cal_18_a_failing_account_look_up_leaves_an_active_connection_with_a_warning(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    from integrations.tasks import complete_identities

    new = make_link()
    query = browser.consent(browser.leave(new))
    at_sandbox.control(
        "POST",
        "/_control/faults",
        {"match": {"method": "GET", "path": "/account-info"}, "times": 1, "status": 500, "body": "{}"},
    )
    finished = browser.come_back(query)
    assert finished.outcome == "connected"
    assert finished.warning
    assert connection_of(new).provider_account_id == ""
    assert complete_identities() == 1
    assert connection_of(new).provider_account_id == str(STARTER)
    assert connection_of(new).status_reason == ""
