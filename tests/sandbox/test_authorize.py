"""The consent page and the dead ends of HubSpot's page."""

import re
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.testing import RunningSandbox
from tests.sandbox.consent import (
    DEVELOPER,
    ENTERPRISE,
    EU,
    REDIRECT_URL,
    STARTER,
    App,
    authorize_url,
    decide,
    exchange,
    returned,
)  # fmt: skip


def _page(url: str) -> requests.Response:
    return requests.get(url, allow_redirects=False, timeout=10)


def _is_dead_end(reply: requests.Response) -> bool:
    return reply.status_code == 400 and "Location" not in reply.headers and "<form" not in reply.text


def test_consent_page_has_exactly_one_form_with_account_and_two_decisions(
    sandbox: RunningSandbox, app: App
) -> None:
    reply = _page(authorize_url(sandbox, app))
    assert reply.status_code == 200
    assert reply.text.count("<form") == 1
    hubs = re.findall(r'name="hubId" value="(\d+)"', reply.text)
    assert {int(hub) for hub in hubs} == {STARTER, ENTERPRISE, EU, DEVELOPER}
    assert re.findall(r'name="decision" value="(\w+)"', reply.text) == ["allow", "deny"]


def test_pages_carry_a_strict_policy_and_no_inline_script_or_style(sandbox: RunningSandbox, app: App) -> None:
    reply = _page(authorize_url(sandbox, app))
    assert "default-src 'none'; style-src 'self'" in reply.headers["Content-Security-Policy"]
    assert "unsafe" not in reply.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<style|style=|onclick=", reply.text)


def test_allow_sends_code_and_state_back(sandbox: RunningSandbox, app: App) -> None:
    reply = decide(authorize_url(sandbox, app))
    query = returned(reply)
    assert reply.headers["Location"].startswith(REDIRECT_URL + "?")
    assert query["state"] == "s t&=ä"
    assert re.fullmatch(r"na1(-[0-9a-f]{4}){4}-[0-9a-f]{12}", query["code"])


def test_code_of_an_eu_account_names_its_region(sandbox: RunningSandbox, app: App) -> None:
    assert returned(decide(authorize_url(sandbox, app), hub_id=EU))["code"].startswith("eu1-")


def test_state_is_absent_in_the_callback_when_it_was_not_sent(sandbox: RunningSandbox, app: App) -> None:
    assert set(returned(decide(authorize_url(sandbox, app, state=None)))) == {"code"}


def test_query_of_the_redirect_url_is_kept(sandbox: RunningSandbox) -> None:
    body = {"redirectUrls": ["https://platform.example.com/cb?tenant=a%20b"]}
    app = sandbox.control("POST", "/_control/apps", body)
    location = decide(authorize_url(sandbox, app)).headers["Location"]
    assert location.startswith("https://platform.example.com/cb?tenant=a%20b&code=")


def test_deny_sends_an_error_back(sandbox: RunningSandbox, app: App) -> None:
    query = returned(decide(authorize_url(sandbox, app), decision="deny"))
    assert query["error"] == "access_denied"
    assert query["error_description"]
    assert query["state"] == "s t&=ä"


def test_silent_decline_sends_nothing(sandbox: RunningSandbox, app: App) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"declineMode": "silent"})
    reply = decide(authorize_url(sandbox, app), decision="deny")
    assert reply.status_code == 200
    assert "Location" not in reply.headers


def test_unknown_client_id_is_a_dead_end(sandbox: RunningSandbox, app: App) -> None:
    reply = _page(authorize_url(sandbox, app, client_id="<b>nobody</b>"))
    assert _is_dead_end(reply)
    assert "Invalid client_id" in reply.text
    assert "<b>nobody" not in reply.text


@pytest.mark.parametrize("sent", ["http://localhost:8001/oauth/hbdev/callback", REDIRECT_URL + "/", None])
def test_redirect_mismatch_shows_both_urls(sandbox: RunningSandbox, app: App, sent: str | None) -> None:
    reply = _page(authorize_url(sandbox, app, redirect_uri=sent))
    assert _is_dead_end(reply)
    assert f"<code>{REDIRECT_URL}</code>" in reply.text
    assert sent is None or f"<code>{sent}</code>" in reply.text


def test_scope_without_oauth_is_a_mismatch(sandbox: RunningSandbox, app: App) -> None:
    without = " ".join(name for name in app["scopes"] if name != "oauth")
    reply = _page(authorize_url(sandbox, app, scope=without))
    assert _is_dead_end(reply)
    assert "mismatch between the scopes" in reply.text


def test_scope_that_the_app_lacks_is_a_mismatch(sandbox: RunningSandbox, app: App) -> None:
    reply = _page(authorize_url(sandbox, app, scope=" ".join([*app["scopes"], "hubdb"])))
    assert _is_dead_end(reply)
    assert "<code>hubdb</code>" in reply.text


def test_required_scope_beyond_the_tier_refuses_the_account(sandbox: RunningSandbox) -> None:
    body = {"redirectUrls": [REDIRECT_URL], "scopes": ["crm.objects.custom.read"]}
    app = sandbox.control("POST", "/_control/apps", body)
    reply = decide(authorize_url(sandbox, app), hub_id=STARTER)
    assert _is_dead_end(reply)
    assert "<code>crm.objects.custom.read</code>" in reply.text
    assert _is_dead_end(_page(authorize_url(sandbox, app, portal=STARTER)))
    assert "code" in returned(decide(authorize_url(sandbox, app), hub_id=ENTERPRISE))


def test_optional_scope_beyond_the_tier_is_dropped(sandbox: RunningSandbox, app: App) -> None:
    url = authorize_url(sandbox, app, optional_scope="tickets.sensitive forms")
    granted = {}
    for hub_id in (STARTER, ENTERPRISE):
        code = returned(decide(url, hub_id=hub_id))["code"]
        granted[hub_id] = exchange(sandbox, app, code).json()["scopes"]
    assert "tickets.sensitive" not in granted[STARTER]
    assert "forms" in granted[STARTER]
    assert "tickets.sensitive" in granted[ENTERPRISE]


def test_portal_in_the_path_leaves_one_account(sandbox: RunningSandbox, app: App) -> None:
    url = authorize_url(sandbox, app, portal=EU)
    assert re.findall(r'name="hubId" value="(\d+)"', _page(url).text) == [str(EU)]
    assert _is_dead_end(decide(url, hub_id=STARTER))
    assert urlsplit(decide(url, hub_id=EU).headers["Location"]).path == "/oauth/hbdev/callback"


@pytest.mark.parametrize("hub", ["", "abc", "999", "٣", "9" * 40])
def test_unknown_account_is_a_dead_end(sandbox: RunningSandbox, app: App, hub: str) -> None:
    reply = requests.post(
        authorize_url(sandbox, app),
        data={"hubId": hub, "decision": "allow"},
        allow_redirects=False,
        timeout=10,
    )
    assert reply.status_code == 400


def test_code_challenge_method_other_than_s256_is_a_dead_end(sandbox: RunningSandbox, app: App) -> None:
    url = authorize_url(sandbox, app, code_challenge="x" * 43, code_challenge_method="plain")
    assert _is_dead_end(_page(url))
