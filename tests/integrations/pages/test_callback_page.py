"""The page after the provider. No token endpoint is called here: either the provider said no, or the outcome of an
earlier callback is shown again."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Partner
from integrations import connect
from integrations.models import AuthorizationAttempt, ConnectLink
from integrations.models.link import Outcome
from tests.integrations.pages.conftest import MakeLink, make_active, press_continue, state_sent

CALLBACK = "/oauth/hbdev/callback"


def _started(browser: Client, make_link: MakeLink, **request: Any) -> tuple[ConnectLink, str]:
    link, path = make_link(**request)
    return link, state_sent(press_continue(browser, path).content)


def _connected(browser: Client, make_link: MakeLink, **request: Any) -> tuple[ConnectLink, str]:
    """A link that was connected by an earlier callback of this browser; (link, state)."""
    link, state = _started(browser, make_link, **request)
    make_active(link)
    now = timezone.now()
    link.attempts.update(outcome=Outcome.CONNECTED, claimed_at=now, finished_at=now)
    ConnectLink.objects.filter(pk=link.pk).update(completed_at=now)
    return link, state


def _back(
    browser: Client, *, path: str = CALLBACK, headers: dict[str, str] | None = None, **query: str
) -> Any:
    return browser.get(f"{path}?{urlencode(query)}", headers=headers)


def test_cal_01_deny_ends_on_a_calm_page_with_a_way_back(browser: Client, make_link: MakeLink) -> None:
    _, state = _started(browser, make_link)
    page = _back(browser, error="access_denied", error_description="The user denied", state=state)
    text = page.content.decode()
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"
    assert "Not connected" in text and "Try again" in text and 'data-outcome="denied"' in text
    again = text.split('class="button" href="')[1].split('"')[0]
    assert press_continue(browser, again).status_code == 200
    assert AuthorizationAttempt.objects.filter(outcome=Outcome.DENIED).count() == 1


def test_cal_02_a_callback_without_state_is_refused_with_what_to_do(
    browser: Client, make_link: MakeLink
) -> None:
    link, _ = _started(browser, make_link)
    page = _back(browser, code="abc")
    assert page.status_code == 400
    assert b"What you can do" in page.content
    assert link.attempts.get().claimed_at is None


def test_cal_03_a_repeat_shows_the_success_again(browser: Client, make_link: MakeLink) -> None:
    _, state = _connected(browser, make_link)
    for _ in range(2):
        page = _back(browser, code="na1-code", state=state)
        text = page.content.decode()
        assert page.status_code == 200
        assert "HubSpot is connected" in text and "Blue Bottle portal" in text
        assert 'data-outcome="connected"' in text


def test_neither_code_nor_state_gets_onto_a_page(browser: Client, make_link: MakeLink) -> None:
    _, state = _connected(browser, make_link)
    good = _back(browser, code="na1-secret-code", state=state)
    bad = _back(browser, code="na1-secret-code", state="unknown-" + state)
    for page in (good, bad):
        text = page.content.decode() + str(page.headers)
        assert "na1-secret-code" not in text and state not in text


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch"}, {"Purpose": "prefetch"}])
def test_cal_06_a_prefetch_of_the_callback_does_nothing(
    browser: Client, make_link: MakeLink, headers: dict[str, str]
) -> None:
    link, state = _started(browser, make_link)
    page = _back(browser, headers=headers, error="access_denied", state=state)
    assert (page.status_code, page.content, page["Cache-Control"]) == (204, b"", "no-store")
    assert link.attempts.get().claimed_at is None
    assert _back(browser, error="access_denied", state=state).status_code == 200


def test_a_head_request_does_not_spend_the_state(browser: Client, make_link: MakeLink) -> None:
    link, state = _started(browser, make_link)
    assert (
        browser.head(f"{CALLBACK}?{urlencode({'error': 'access_denied', 'state': state})}").status_code == 204
    )
    assert link.attempts.get().claimed_at is None


def test_cal_10_an_attempt_that_took_too_long_says_so(browser: Client, make_link: MakeLink) -> None:
    link, state = _started(browser, make_link)
    link.attempts.update(expires_at=timezone.now())
    page = _back(browser, code="abc", state=state)
    assert page.status_code == 400
    assert b"That took too long" in page.content


def test_another_browser_and_no_cookie_are_told_apart(browser: Client, make_link: MakeLink) -> None:
    _, state = _started(browser, make_link)
    html = {"Accept": "text/html"}
    cookieless = _back(Client(headers=html), code="abc", state=state)
    stranger = Client(headers=html)
    stranger.cookies[connect.browser_cookie()] = connect.new_browser_secret()
    other = _back(stranger, code="abc", state=state)
    assert (cookieless.status_code, other.status_code) == (400, 400)
    assert b"did not keep our cookie" in cookieless.content
    assert b"started in another browser" in other.content
    assert AuthorizationAttempt.objects.get().claimed_at is None


def test_an_error_without_state_is_told_without_words_that_anybody_could_have_written(
    browser: Client, db: None
) -> None:
    """A pushed request's reference that is used twice (RFC 9126): the server has forgotten the state."""
    html = {"Accept": "text/html"}
    reply = _back(browser, headers=html, error="invalid_request_uri", error_description="call 555-0100 now")
    page = reply.content.decode()
    assert reply.status_code == 400
    assert "The provider reports a problem." in page and "open the link again" in page
    assert "did not start here" not in page and "555-0100" not in page


def test_a_refused_callback_is_problem_json_for_programs(browser: Client, db: None) -> None:
    reply = _back(browser, headers={"Accept": "application/json"}, code="abc")
    assert reply.status_code == 400
    assert reply["Content-Type"] == "application/problem+json"
    assert (reply.json()["code"], reply.json()["reason"]) == ("invalid_request", "no_state")


def test_cal_15_hostile_error_text_is_escaped_and_short(browser: Client, make_link: MakeLink) -> None:
    _, state = _started(browser, make_link)
    hostile = "<script>alert(1)</script>\r\nX: 1 " + "long " * 400
    page = _back(browser, error="server_error", error_description=hostile, state=state)
    text = page.content.decode()
    assert page.status_code == 200
    assert "<script>alert" not in text
    assert text.count("long ") <= 100
    assert "X" not in page.headers
    assert "Content-Security-Policy" in page.headers


@pytest.mark.parametrize(
    "return_url", ["https://app.example.com/done", "https://app.example.com/done?a=1&status=x#end"]
)
def test_with_a_return_url_the_browser_goes_there_with_the_result(
    browser: Client, make_link: MakeLink, return_url: str
) -> None:
    link, state = _connected(browser, make_link, return_url=return_url)
    page = _back(browser, code="c", state=state)
    assert page.status_code == 302
    target = urlsplit(page["Location"])
    query = parse_qs(target.query)
    assert (target.netloc, target.path) == ("app.example.com", "/done")
    assert (query["status"], query["UUID"]) == (["connected"], [str(link.connection_id)])
    assert page["Cache-Control"] == "no-store"


def test_a_return_url_of_the_greatest_length_still_works(browser: Client, make_link: MakeLink) -> None:
    start = "https://app.example.com/"
    _, state = _connected(browser, make_link, return_url=start + "a" * (2_048 - len(start)))
    assert _back(browser, code="c", state=state).status_code == 302


def test_deny_goes_to_the_return_url_too(browser: Client, make_link: MakeLink) -> None:
    _, state = _started(browser, make_link, return_url="https://app.example.com/done")
    page = _back(browser, error="access_denied", state=state)
    assert page.status_code == 302
    assert parse_qs(urlsplit(page["Location"]).query)["status"] == ["denied"]


def test_a_program_gets_the_result_as_json(browser: Client, make_link: MakeLink) -> None:
    link, state = _connected(browser, make_link)
    reply = _back(browser, headers={"Accept": "application/json"}, code="c", state=state)
    assert reply.status_code == 200
    assert (reply.json()["status"], reply.json()["UUID"]) == ("connected", str(link.connection_id))


def test_a_link_of_stackgos_paths_answers_programs_in_its_words(browser: Client, make_link: MakeLink) -> None:
    _, state = _connected(browser, make_link, shows_json_result=True)
    reply = _back(browser, headers={"Accept": "application/json"}, code="c", state=state)
    assert reply.json() == {"message": "User Registered", "userForeignIdentifier": "tenant<7>"}
    assert b"HubSpot is connected" in _back(browser, code="c", state=state).content


@pytest.mark.parametrize(
    "query",
    ["", "code=%00&state=%00", "state=%FF%FE&code=%ED%A0%80", "state=" + "x" * 10_000, "&".join(["a=1"] * 3_000), "%",
     "state=a&state=b&code=c", "step=authorize&returnUrl=https://app.hubspot.com/x"],
    ids=["empty", "nul", "not-utf-8", "long", "many", "percent", "twice", "marketplace"],
)  # fmt: skip
def test_odd_callbacks_are_400_and_never_500(browser: Client, partner: Partner, query: str) -> None:
    page = browser.get(f"{CALLBACK}?{query}")
    assert page.status_code == 400
    assert page["Cache-Control"] == "no-store"


def test_an_unknown_slug_is_refused_and_spends_nothing(browser: Client, make_link: MakeLink) -> None:
    link, state = _started(browser, make_link)
    assert _back(browser, path="/oauth/other/callback", code="c", state=state).status_code == 400
    assert link.attempts.get().claimed_at is None


def test_hubspot_10_an_install_that_began_at_the_provider_is_told_where_to_start(
    browser: Client, db: None
) -> None:
    page = _back(browser, step="authorize", returnUrl="https://app.hubspot.com/x")
    assert page.status_code == 400
    assert b"marketplace is not offered yet" in page.content
    assert b"app.hubspot.com" not in page.content
