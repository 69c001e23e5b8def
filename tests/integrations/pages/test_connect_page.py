from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations import connect
from integrations.models import AuthorizationAttempt, ConnectLink, Integration
from integrations.pages import links
from integrations.pages.views import confirm_context
from tests.integrations.pages.conftest import (
    MakeLink,
    make_active,
    press_continue,
    state_sent,
    token_in,
)


def test_the_page_says_who_asks_for_whom_and_for_what(browser: Client, make_link: MakeLink) -> None:
    page = browser.get(make_link()[1])
    text = page.content.decode()
    assert page.status_code == 200
    assert "Connect HubSpot to Northwind CRM" in text
    assert "<strong>Blue Bottle &amp; Sons</strong>" in text
    assert "Read contacts" in text
    assert re.search(r"Read lists and segments</span> <span class=\"tag\">optional", text)


def test_the_raw_identifier_is_never_shown(browser: Client, make_link: MakeLink) -> None:
    text = browser.get(make_link(display_name="")[1]).content.decode()
    assert "tenant" not in text
    assert "asks for access to your HubSpot account" in text


def test_the_page_has_exactly_one_form_and_one_button(browser: Client, make_link: MakeLink) -> None:
    text = browser.get(make_link()[1]).content.decode()
    assert text.count("<form") == 1
    assert text.count("<button") == 1
    assert 'method="post"' in text


def test_a_get_spends_nothing_and_marks_the_link_opened(browser: Client, make_link: MakeLink) -> None:
    link, path = make_link()
    assert [browser.get(path).status_code for _ in range(3)] == [200, 200, 200]
    link.refresh_from_db()
    assert link.state(timezone.now()) == "opened"
    assert not AuthorizationAttempt.objects.exists()


@pytest.mark.parametrize("headers", [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}])
def test_a_prefetch_gets_no_page_and_opens_nothing(
    browser: Client, make_link: MakeLink, headers: dict[str, str]
) -> None:
    link, path = make_link()
    page = browser.get(path, headers=headers)
    link.refresh_from_db()
    assert (page.status_code, page.content, link.opened_at) == (204, b"", None)
    assert not page.cookies


def test_a_head_request_opens_nothing(browser: Client, make_link: MakeLink) -> None:
    link, path = make_link()
    page = browser.head(path)
    link.refresh_from_db()
    assert (page.status_code, page.content, link.opened_at) == (200, b"", None)


def test_every_page_is_private_and_under_the_strict_policy(browser: Client, make_link: MakeLink) -> None:
    path = make_link()[1]
    for page in (browser.get(path), press_continue(browser, path), browser.get("/connect/nothing")):
        assert page["Cache-Control"] == "no-store"
        assert page["Referrer-Policy"] == "same-origin"
        policy = page["Content-Security-Policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy
        text = page.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|<style", text)


def test_the_browser_cookie_is_kept_when_it_is_well_formed(browser: Client, make_link: MakeLink) -> None:
    path = make_link()[1]
    name = connect.browser_cookie()
    first = browser.get(path).cookies[name]
    assert len(first.value) == 43
    assert (first["httponly"], first["samesite"], first["path"], first["max-age"]) == (True, "Lax", "/", 3600)
    assert browser.get(path).cookies[name].value == first.value
    browser.cookies[name] = "not ours"
    assert browser.get(path).cookies[name].value not in {first.value, "not ours"}


def test_con_17_forty_started_attempts_leave_two_short_cookies(browser: Client, make_link: MakeLink) -> None:
    path = make_link()[1]
    for _ in range(40):
        assert press_continue(browser, path).status_code == 200
    sent = "; ".join(f"{name}={cookie.value}" for name, cookie in browser.cookies.items())
    assert set(browser.cookies) == {connect.browser_cookie(), "patchbay-csrf"}
    assert len(sent) < 4_096


def test_con_16_two_tabs_of_one_browser_have_two_states_under_one_cookie(
    browser: Client, make_link: MakeLink
) -> None:
    path = make_link()[1]
    states = {state_sent(press_continue(browser, path).content) for _ in range(2)}
    assert len(states) == 2
    assert AuthorizationAttempt.objects.values("browser_sha256").distinct().count() == 1


def test_continue_answers_200_with_a_refresh_and_a_link_to_the_provider(
    browser: Client, make_link: MakeLink
) -> None:
    path = make_link()[1]
    page = press_continue(browser, path)
    text = page.content.decode()
    assert page.status_code == 200
    refreshed = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', text)
    linked = re.search(r'<a class="button" rel="noreferrer" href="([^"]+)"', text)
    assert refreshed and linked and refreshed[1] == linked[1]
    assert refreshed[1].startswith("https://app.hubspot.com/oauth/authorize?")
    assert "Taking you to HubSpot" in text
    assert f'<a href="{path}">Try again</a>' in text


def test_the_confirm_page_helps_those_who_came_back_without_a_result(
    browser: Client, make_link: MakeLink
) -> None:
    path = make_link()[1]
    assert b"Came back from HubSpot" not in browser.get(path).content
    press_continue(browser, path)
    assert b"Came back from HubSpot without a result?" in browser.get(path).content


def test_a_form_from_elsewhere_begins_nothing(browser: Client, make_link: MakeLink) -> None:
    path = make_link()[1]
    page = browser.post(path)
    assert page.status_code == 403
    assert not AuthorizationAttempt.objects.exists()


def _end(link: ConnectLink, how: str) -> None:
    now = timezone.now()
    columns: dict[str, Any] = {
        "expired": {"expires_at": now - timedelta(seconds=1)},
        "used": {"completed_at": now},
        "revoked": {"revoked_at": now},
    }[how]
    ConnectLink.objects.filter(pk=link.pk).update(**columns)


@pytest.mark.parametrize(
    ("how", "heading"),
    [("expired", "has expired"), ("used", "was used already"), ("revoked", "was withdrawn")],
)
def test_a_link_that_is_over_says_so_and_what_to_do(
    browser: Client, make_link: MakeLink, how: str, heading: str
) -> None:
    link, path = make_link()
    token = token_in(browser.get(path).content)
    _end(link, how)
    for page in (browser.get(path), browser.post(path, {"csrfmiddlewaretoken": token})):
        text = page.content.decode()
        assert page.status_code == 410
        assert heading in text and "What you can do" in text and "<form" not in text
    reply = browser.get(path, headers={"Accept": "application/json"})
    assert reply.status_code == 410
    assert reply["Content-Type"] == "application/problem+json"
    assert reply.json()["code"] == f"link_{how}"


def test_an_unknown_link_is_404_as_page_and_as_json(browser: Client, db: None) -> None:
    page = browser.get("/connect/" + "A" * 43)
    assert page.status_code == 404
    assert b"There is no such link" in page.content
    reply = browser.get("/connect/" + "A" * 43, headers={"Accept": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


def test_a_disabled_integration_is_told_apart_from_an_unknown_link(
    browser: Client, make_link: MakeLink, integration: Integration
) -> None:
    path = make_link()[1]
    token = token_in(browser.get(path).content)
    Integration.objects.filter(pk=integration.pk).update(is_enabled=False)
    page = browser.post(path, {"csrfmiddlewaretoken": token})
    assert page.status_code == 404
    assert b"switched off" in page.content
    assert not AuthorizationAttempt.objects.exists()


def test_con_20_a_reconnect_is_worded_as_one(browser: Client, make_link: MakeLink) -> None:
    link, path = make_link()
    make_active(link)
    text = browser.get(path).content.decode()
    assert "Reconnect HubSpot to Northwind CRM" in text
    assert "Choose the same HubSpot account as last time" in text


def test_a_retry_address_opens_the_same_link_and_bears_its_end(browser: Client, make_link: MakeLink) -> None:
    link, _ = make_link()
    again = links.again_path(link)
    assert browser.get(again).status_code == 200
    assert press_continue(browser, again).status_code == 200
    assert browser.get(again[:-1] + ("A" if again[-1] != "A" else "B")).status_code == 404
    _end(link, "expired")
    assert browser.get(again).status_code == 410


@pytest.mark.parametrize(
    "token",
    [
        "x" * 10_000,
        "%00",
        "%00" * 50,
        "%FF%FE",
        "%ED%A0%80",
        "..%2F",
        ":",
        "a:b",
        "%F0%9F%98%80",
        "'\"<script>",
        "%0d%0aX: 1",
    ],
)
@pytest.mark.parametrize("form", ["/connect/{}", "/connect/{}/status", "/manage/{}", "/reconnect/{}"])
def test_odd_tokens_are_404_and_never_500(browser: Client, db: None, form: str, token: str) -> None:
    page = browser.get(form.format(token))
    assert page.status_code == 404
    assert b"<script>" not in page.content


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "X" * 50])
@pytest.mark.parametrize(
    "path",
    ["/connect/x", "/connect/x/status", "/oauth/hbdev/callback", "/manage/x", "/reconnect/x", "/connect.js"],
)
def test_odd_methods_are_405(browser: Client, db: None, method: str, path: str) -> None:
    page = browser.generic(method, path)
    assert page.status_code == 405
    assert "GET" in page["Allow"]


def _odd_forms() -> list[dict[str, Any]]:
    return [
        {
            "data": b"\xff\xfe=\x00&csrfmiddlewaretoken=%ff",
            "content_type": "application/x-www-form-urlencoded",
        },
        {"data": b"{", "content_type": "application/json"},
        {"data": b"--x", "content_type": "multipart/form-data; boundary=x"},
        {"data": b"x", "content_type": "multipart/form-data"},
        {"data": b"a=1&" * 3_000, "content_type": "application/x-www-form-urlencoded"},
    ]


@pytest.mark.parametrize(
    "form", _odd_forms(), ids=["bytes", "json", "multipart", "no-boundary", "many-fields"]
)
def test_forms_that_cannot_be_read_begin_nothing(
    browser: Client, make_link: MakeLink, form: dict[str, Any]
) -> None:
    path = make_link()[1]
    browser.get(path)
    assert browser.post(path, **form).status_code in {400, 403}
    assert not AuthorizationAttempt.objects.exists()


def test_a_nul_in_a_form_value_is_harmless(browser: Client, make_link: MakeLink) -> None:
    assert press_continue(browser, make_link()[1], extra="a\x00b").status_code == 200


def test_scopes_are_grouped_with_the_required_ones_first(make_link: MakeLink) -> None:
    link, _ = make_link()
    groups = confirm_context(connect.describe(link))["scope_groups"]
    assert [group.name for group in groups] == ["Account", "Contacts", "Lists"]
    assert [scope.is_optional for group in groups for scope in group.scopes] == [False, False, True]


def test_a_provider_whose_entry_is_gone_ends_on_a_page(
    browser: Client, make_link: MakeLink, integration: Integration
) -> None:
    path = make_link()[1]
    Integration.objects.filter(pk=integration.pk).update(provider_id="gone")
    page = browser.get(path)
    assert page.status_code == 404
    assert b"It is switched off or not set up" in page.content
