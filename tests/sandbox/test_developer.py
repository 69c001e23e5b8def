"""The developer pages, walked as a person would."""

import html
import re

import pytest
import requests

from sandbox.testing import RunningSandbox
from tests.sandbox.consent import App, decide, returned

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"


def _value(text: str, element_id: str) -> str:
    found = re.search(rf'id="{element_id}"\s+value="([^"]*)"', text)
    assert found, element_id
    return html.unescape(found[1])


def test_app_is_made_configured_and_installed_through_the_pages(sandbox: RunningSandbox) -> None:
    with requests.Session() as browser:
        page = browser.post(f"{sandbox.url}/developer/apps", data={"name": "My <app> & co"}, timeout=10)
        assert page.status_code == 200
        assert "My &lt;app&gt; &amp; co" in page.text
        url = page.url
        client_id = _value(page.text, "client-id")
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", client_id)
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", _value(page.text, "client-secret"))
        assert _value(page.text, "app-id").isdigit()
        redirect_url = "http://localhost:8000/cb?a=1&b=2"
        browser.post(f"{url}/redirect-urls", data={"redirectUrl": f" {redirect_url} "}, timeout=10)
        ticks = [("scope", "crm.objects.contacts.read"), ("optionalScope", "forms")]
        page = browser.post(f"{url}/scopes", data=ticks, timeout=10)
        install = re.search(r'<a href="([^"]+/oauth/authorize[^"]*)"', page.text)
        assert install
    query = returned(decide(html.unescape(install[1])))
    assert set(query) == {"a", "b", "code"}
    [app] = sandbox.control("GET", "/_control/state")["apps"]
    assert (app["scopes"], app["optionalScopes"]) == (["oauth", "crm.objects.contacts.read"], ["forms"])


def test_redirect_url_can_be_removed(sandbox: RunningSandbox, app: App) -> None:
    url = f"{sandbox.url}/developer/apps/{app['clientId']}/redirect-urls"
    requests.post(url, data={"remove": app["redirectUrls"][0]}, timeout=10)
    assert sandbox.control("GET", "/_control/state")["apps"][0]["redirectUrls"] == []


@pytest.mark.parametrize(
    "entered", ["http://127.0.0.1:8000/cb", "ftp://x", "https://1.2.3.4/", "", "https://a b/"]
)
def test_redirect_urls_that_hubspot_refuses_are_explained(
    sandbox: RunningSandbox, app: App, entered: str
) -> None:
    url = f"{sandbox.url}/developer/apps/{app['clientId']}/redirect-urls"
    reply = requests.post(url, data={"redirectUrl": entered}, timeout=10)
    assert reply.status_code == 400
    assert 'class="problem"' in reply.text
    assert html.escape(entered) in reply.text


def test_oauth_scope_cannot_be_unticked(sandbox: RunningSandbox, app: App) -> None:
    requests.post(f"{sandbox.url}/developer/apps/{app['clientId']}/scopes", data={}, timeout=10)
    assert sandbox.control("GET", "/_control/state")["apps"][0]["scopes"] == ["oauth"]


def test_pages_and_style_need_no_script(sandbox: RunningSandbox, app: App) -> None:
    for path in ("/developer/apps", f"/developer/apps/{app['clientId']}", "/developer/apps/unknown"):
        reply = requests.get(sandbox.url + path, timeout=10)
        assert reply.headers["Content-Security-Policy"] == POLICY
        assert not re.search(r"<script|<style|style=|onclick=", reply.text)
    style = requests.get(f"{sandbox.url}/developer/style.css", timeout=10)
    assert "prefers-color-scheme: dark" in style.text
    assert style.headers["Content-Type"].startswith("text/css")


def test_unknown_app_and_empty_name_are_explained(sandbox: RunningSandbox) -> None:
    assert requests.get(f"{sandbox.url}/developer/apps/nobody", timeout=10).status_code == 404
    assert requests.post(f"{sandbox.url}/developer/apps", data={"name": " "}, timeout=10).status_code == 400
