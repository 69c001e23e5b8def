"""Contract section 6: the customer's pages."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.contract.browser import Browser, refresh_target
from tests.contract.outside import Outside, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]
LANGUAGES = ["en", "de", "fr", "es", "ja"]


def text_of(page: requests.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


def manage_url(outside: Outside, customer: str) -> str:
    reply = outside.call("POST", "/api/v1/manage-links", json={"userForeignIdentifier": customer})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["url"])


def assert_private_and_strict(page: requests.Response) -> None:
    assert "no-store" in page.headers["Cache-Control"]
    assert page.headers["Referrer-Policy"] == "same-origin"
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in page.headers["Content-Security-Policy"].split(";")
        if part.strip()
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    if page.headers["Content-Type"].startswith("text/html"):
        assert_works_without_javascript(page.text)


def assert_works_without_javascript(html: str) -> None:
    """Nothing that a strict policy would block, and nothing from elsewhere."""
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=|javascript:", html)
    for source in re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]+)"', html):
        assert source.startswith("/"), source


def test_the_confirm_page_says_who_asks_for_whom_and_for_what(outside: Outside) -> None:
    customer = outside.customer()
    link = outside.link(customer, customer={"displayName": "Ada's <Bakery> & Co", "email": "ada@example.com"})
    page = Browser().open(link["url"])
    assert page.status_code == 200
    assert "Acme Sync" in page.text
    assert "Ada&#x27;s &lt;Bakery&gt; &amp; Co" in page.text and "<Bakery>" not in page.text
    assert customer not in page.text
    offered = outside.call("GET", f"/api/v1/integrations/{outside.slug}").json()["scopes"]
    for scope in offered:
        assert scope["name"] in page.text
    assert_private_and_strict(page)


def test_the_confirm_page_has_exactly_one_form_and_one_button(outside: Outside) -> None:
    page = Browser().open(outside.link(outside.customer())["url"])
    assert len(re.findall(r"<form\b", page.text)) == 1
    assert len(re.findall(r"<button\b|<input[^>]*type=.submit", page.text)) == 1


def test_without_a_display_name_the_identifier_is_not_shown_either(outside: Outside) -> None:
    customer = outside.customer()
    browser, link = Browser(), outside.link(customer)
    confirm = browser.open(link["url"])
    leaving = browser.press(confirm)
    result = browser.open(browser.decide(refresh_target(leaving)))
    for page in (
        confirm,
        leaving,
        result,
        browser.open(link["url"]),
        browser.open(manage_url(outside, customer)),
    ):
        assert customer not in page.text and customer[-36:] not in page.text


def test_the_button_answers_200_with_a_meta_refresh_and_a_link(outside: Outside) -> None:
    browser = Browser()
    leaving = browser.press(browser.open(outside.link(outside.customer())["url"]))
    assert leaving.status_code == 200
    assert "Taking you to HubSpot" in leaving.text
    target = refresh_target(leaving)
    assert f'href="{target.replace("&", "&amp;")}"' in leaving.text
    assert_private_and_strict(leaving)
    query = parse_qs(urlsplit(target).query)
    assert query["redirect_uri"] == [f"{outside.base}/oauth/hbdev/callback"]
    assert query["response_type"] == ["code"] if "response_type" in query else True
    assert "oauth" in query["scope"][0].split(" ")
    assert len(query["state"][0]) >= 43


def test_each_attempt_has_a_state_of_its_own(outside: Outside) -> None:
    link = outside.link(outside.customer())
    browser = Browser()
    states = {parse_qs(urlsplit(browser.leave(link["url"])).query)["state"][0] for _ in range(3)}
    assert len(states) == 3


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_the_result_page_is_private_and_has_no_code_in_it(outside: Outside, decision: str) -> None:
    browser = Browser()
    callback = browser.decide(browser.leave(outside.link(outside.customer())["url"]), decision)
    page = browser.open(callback)
    assert page.status_code == 200
    assert_private_and_strict(page)
    for value in (
        parse_qs(urlsplit(callback).query).get("code", []) + parse_qs(urlsplit(callback).query)["state"]
    ):
        assert value not in page.text


@pytest.mark.parametrize(("decision", "status"), [("allow", "connected"), ("deny", "denied")])
def test_the_result_is_json_for_programs(outside: Outside, decision: str, status: str) -> None:
    link = outside.link(outside.customer())
    result = Browser().walk(link["url"], decision, accept="application/json")
    assert (result.status_code, result.json()["status"], result.json()["UUID"]) == (200, status, link["UUID"])


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?code=x",
        "?state=x",
        "?code=x&state=x",
        "?error=access_denied",
        "?error=access_denied&state=x",
        "?code=x&state=x&state=y",
        "?state=%00&code=%00",
        "?state=%ff&code=%ff",
        "?" + "a" * 20_000,
    ],
)
def test_a_callback_that_belongs_to_no_attempt_ends_on_a_page_that_says_what_to_do(
    outside: Outside, query: str
) -> None:
    before = outside.rows()
    page = Browser().open(f"{outside.base}/oauth/hbdev/callback{query}")
    assert page.status_code in (400, 404, 414), page.text
    assert page.headers["Content-Type"].startswith("text/html") and "<li>" in page.text
    assert_private_and_strict(page)
    reply = Browser().open(f"{outside.base}/oauth/hbdev/callback{query}", Accept="application/json")
    assert reply.json()["code"] == "invalid_request"
    assert outside.rows() == before


def test_a_callback_in_another_browser_or_without_its_cookie_connects_nothing(outside: Outside) -> None:
    link = outside.link(outside.customer())
    mine, other = Browser(), Browser()
    callback = mine.decide(mine.leave(link["url"]))
    other.open(outside.link(outside.customer())["url"])
    for browser in (other, Browser()):
        page = browser.open(callback)
        assert page.status_code == 400 and "<li>" in page.text
    assert outside.connection(link["UUID"])["status"] == "pending"
    assert mine.open(callback).status_code == 200


def test_a_callback_of_another_integration_connects_nothing(outside: Outside, second: str) -> None:
    link = outside.link(outside.customer())
    browser = Browser()
    callback = browser.decide(browser.leave(link["url"]))
    for slug in (second, "none-such"):
        assert browser.open(callback.replace("/hbdev/", f"/{slug}/")).status_code in (400, 404)
    assert outside.connection(link["UUID"])["status"] == "pending"


def test_a_form_without_our_token_or_from_elsewhere_is_refused(outside: Outside) -> None:
    link = outside.link(outside.customer())
    assert requests.post(link["url"], timeout=10).status_code == 403
    browser = Browser()
    page = browser.open(link["url"])
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    evil = {"Origin": "https://evil.example"}
    reply = browser.session.post(
        link["url"], data={"csrfmiddlewaretoken": token[1]}, headers=evil, timeout=10
    )
    assert reply.status_code == 403
    assert (
        outside.count("integrations_authorizationattempt", f"link_id = '{link['id'].replace('-', '')}'") == 0
    )


def test_status_may_be_polled_by_the_partners_origins_alone_also_after_use(outside: Outside) -> None:
    link = outside.link(outside.customer())

    def poll(origin: str) -> requests.Response:
        return requests.get(f"{link['url']}/status", headers={"Origin": origin}, timeout=10)

    assert poll("http://localhost:3000").json()["status"] == "pending"
    assert poll("http://localhost:3000").headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    for origin in ("https://evil.example", "null", "http://localhost:3001", ""):
        assert "Access-Control-Allow-Origin" not in poll(origin).headers
    assert "Origin" in poll("http://localhost:3000").headers["Vary"]
    assert "no-store" in poll("http://localhost:3000").headers["Cache-Control"]
    Browser().walk(link["url"], "deny")
    assert poll("http://localhost:3000").json()["status"] == "failed"
    Browser().walk(link["url"])
    done = poll("http://localhost:3000").json()
    assert (done["status"], done["UUID"]) == ("completed", link["UUID"])


def test_polling_does_not_open_the_link(outside: Outside) -> None:
    link = outside.link(outside.customer())
    requests.get(f"{link['url']}/status", timeout=10)
    assert outside.call("GET", f"/api/v1/connect-links/{link['id']}").json()["state"] == "pending"


def test_connect_js_may_be_loaded_by_any_site(outside: Outside) -> None:
    reply = requests.get(f"{outside.base}/connect.js", timeout=10)
    assert reply.status_code == 200 and "javascript" in reply.headers["Content-Type"]
    for word in ("Patchbay", "onSuccess", "onError", "onClose"):
        assert word in reply.text
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    code = "\n".join(line for line in reply.text.splitlines() if not line.strip().startswith("//"))
    assert "window.opener" not in code and ".closed" not in code


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_speak_the_browsers_language(outside: Outside, language: str) -> None:
    browser = Browser(language=language)
    confirm = browser.open(outside.link(outside.customer())["url"])
    assert f'<html lang="{language}"' in confirm.text
    leaving = browser.press(confirm)
    result = browser.open(browser.decide(refresh_target(leaving)))
    english = Browser()
    again = english.open(outside.link(outside.customer())["url"])
    assert (text_of(confirm) == text_of(again)) == (language == "en")
    assert ("Taking you to" in leaving.text) == (language == "en")
    assert ("is connected" in result.text) == (language == "en")


def test_a_language_that_we_do_not_speak_is_answered_in_english(outside: Outside) -> None:
    page = Browser(language="tlh, xx;q=0.5").open(outside.link(outside.customer())["url"])
    assert '<html lang="en"' in page.text


@pytest.mark.parametrize(
    "path", ["/connect/none-such", "/manage/none-such", "/reconnect/none-such", f"/connect/{'x' * 5_000}"]
)
def test_an_unknown_link_is_a_page_for_people_and_a_problem_for_programs(outside: Outside, path: str) -> None:
    page = Browser().open(outside.base + path)
    assert page.status_code == 404 and page.headers["Content-Type"].startswith("text/html")
    assert_private_and_strict(page)
    problem(Browser().open(outside.base + path, Accept="application/json"), 404, "not_found")


def test_the_manage_page_lists_and_get_changes_nothing(outside: Outside) -> None:
    customer = outside.customer()
    link = outside.link(customer, customer={"displayName": "Ada's Bakery"})
    Browser().walk(link["url"])
    url = manage_url(outside, customer)
    page = Browser().open(url)
    assert page.status_code == 200
    assert "HubSpot" in page.text and "Acme Sync" in page.text and customer not in page.text
    assert_private_and_strict(page)
    before = outside.connection(link["UUID"])
    for query in ("?action=disconnect", f"?action=disconnect&connection={link['UUID']}", "?done=x"):
        Browser().open(url + query)
    assert outside.connection(link["UUID"]) == before


def test_the_customer_pauses_resumes_reconnects_and_disconnects(outside: Outside) -> None:
    customer = outside.customer()
    made = outside.adopt(customer)
    url = manage_url(outside, customer)
    browser = Browser()

    def act(action: str) -> requests.Response:
        reply = browser.press(browser.open(url), action=action, connection=made["UUID"])
        assert reply.status_code == 303, reply.text
        return reply

    act("pause")
    assert outside.connection(made["UUID"])["status"] == "paused"
    problem(outside.call("GET", outside.through(customer, "/_echo/x")), 423, "connection_paused")
    act("resume")
    assert outside.connection(made["UUID"])["status"] == "active"
    place = requests.compat.urljoin(url, act("reconnect").headers["Location"])
    assert browser.walk(place).status_code == 200
    assert outside.connection(made["UUID"])["status"] == "active"
    act("disconnect")
    assert outside.connection(made["UUID"])["status"] == "disconnected"


def test_the_manage_page_shows_when_it_was_used(outside: Outside, customer: str) -> None:
    outside.call("GET", outside.through(customer, "/_echo/x"))
    (row,) = outside.call("GET", "/api/v1/connections", params={"userForeignIdentifier": customer}).json()[
        "results"
    ]
    assert row["lastUsedAt"] is None or row["lastUsedAt"].endswith("Z")
    assert Browser().open(manage_url(outside, customer)).status_code == 200


@pytest.mark.parametrize(
    "members", [{}, {"action": "x"}, {"action": "pause"}, {"action": "pause", "connection": "x"}]
)
def test_a_manage_form_of_no_sense_changes_nothing(outside: Outside, members: dict[str, Any]) -> None:
    customer = outside.customer()
    made = outside.adopt(customer)
    browser = Browser()
    reply = browser.press(browser.open(manage_url(outside, customer)), **members)
    assert reply.status_code in (400, 404)
    assert outside.connection(made["UUID"])["status"] == "active"


def test_a_manage_link_reaches_its_own_customer_alone(outside: Outside) -> None:
    mine, other = outside.customer(), outside.customer()
    outside.adopt(mine)
    theirs = outside.adopt(other)
    browser = Browser()
    page = browser.open(manage_url(outside, mine))
    for action in ("pause", "disconnect", "reconnect"):
        reply = browser.press(page, action=action, connection=theirs["UUID"])
        assert reply.status_code == 404
    assert outside.connection(theirs["UUID"])["status"] == "active"


def test_an_expired_manage_link_is_410(outside: Outside, customer: str) -> None:
    url = manage_url(outside, customer)
    outside.expire_manage_links(customer)
    problem(Browser().open(url, Accept="application/json"), 410, "link_expired")
    page = Browser().open(url)
    assert page.status_code == 410
    assert_private_and_strict(page)


@pytest.mark.parametrize(
    "path", ["/connect/{}", "/connect/{}/status", "/manage/x", "/oauth/hbdev/callback", "/reconnect/x"]
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_405(outside: Outside, path: str, method: str) -> None:
    token = outside.link(outside.customer())["url"].rpartition("/")[2]
    reply = requests.request(
        method, outside.base + path.format(token), timeout=10, headers={"Accept": "application/json"}
    )
    problem(reply, 405, "method_not_allowed")
    assert reply.headers["Allow"]
