"""connect.js and the customer's pages in Chromium: the partner's page on one origin, ours on another, and a
stand-in for the provider's consent page that sends the browser back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from integrations.models import AuthorizationAttempt, Connection, ConnectLink
from integrations.models.link import Outcome
from tests import factories
from tests.integrations.pages.conftest import MakeLink, make_active
from tests.provider_server import Answer, ProviderServer

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
sync_api = pytest.importorskip("playwright.sync_api")

PARTNER_PAGE = """<!doctype html><title>Partner</title><script src="{script}"></script>
<button id="go">Connect</button><script>
window.told = [];
var tell = function (name) {{ return function (value) {{ told.push([name, value]); }}; }};
document.getElementById("go").onclick = function () {{
  var url = "{link}";
  if (location.hash === "#promise") url = new Promise(function (done) {{ setTimeout(done, 300, "{link}"); }});
  Patchbay.connect(url, {{ onSuccess: tell("success"), onError: tell("error"), onClose: tell("close") }});
}};
</script>"""


@pytest.fixture
def partner_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Serves the page that opens a link; call it with our base URL and the link's path, get the page's URL."""
    content = {"page": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(content["page"].encode())

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(base_url: str, path: str = "/") -> str:
        content["page"] = PARTNER_PAGE.format(script=f"{base_url}/connect.js", link=base_url + path)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    server.shutdown()
    server.server_close()


@pytest.fixture
def chromium(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv(
        "DJANGO_ALLOW_ASYNC_UNSAFE", "1"
    )  # Playwright's loop runs in this thread; no ORM call awaits
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        context = browser.new_context()
        context.set_default_timeout(15_000)
        yield context
        context.close()
        browser.close()


@pytest.fixture
def walk(
    live_server: Any, settings: Any, partner_page: Callable[..., str], chromium: Any, make_link: MakeLink
) -> tuple[Any, ConnectLink, str]:
    """(the partner's page, the link, the URL of the link)."""
    base_url = live_server.url
    settings.PUBLIC_URL = base_url
    link, path = make_link()
    origin = partner_page(base_url, path)
    link.partner.allowed_return_origins = [origin]
    link.partner.save()
    page = chromium.new_page()
    page.goto(f"{origin}/")
    return page, link, base_url + path


def _provider_answers(context: Any, callback: str, answer: str) -> None:
    """The provider sends the browser back at once, with answer beside the state that it was given."""

    def reply(route: Any) -> None:
        state = parse_qs(urlsplit(route.request.url).query)["state"][0]
        route.fulfill(status=302, headers={"Location": f"{callback}?{answer}&state={state}"})

    context.route("https://app.hubspot.com/**", reply)


def _told(page: Any, name: str) -> Any:
    page.wait_for_function("name => told.some(entry => entry[0] === name)", arg=name)
    return page.evaluate("name => told.filter(entry => entry[0] === name).map(entry => entry[1])", name)


def _connected(link: ConnectLink) -> None:
    """As if the callback had exchanged the code."""
    now = timezone.now()
    make_active(link)
    AuthorizationAttempt.objects.update(outcome=Outcome.CONNECTED, claimed_at=now, finished_at=now)
    ConnectLink.objects.filter(pk=link.pk).update(completed_at=now, failed_at=None, failure_reason="")


@pytest.mark.parametrize("how", ["", "#promise"])
def test_a_popup_tells_of_deny_then_of_success_although_its_opener_is_cut(
    walk: tuple[Any, ConnectLink, str], chromium: Any, how: str
) -> None:
    page, link, url = walk
    callback = url.split("/connect/")[0] + "/oauth/hbdev/callback"
    page.evaluate("hash => { location.hash = hash }", how)
    with page.expect_popup() as opened:
        page.click("#go")
    popup = opened.value
    popup.wait_for_url(url)
    assert popup.evaluate("window.opener") is None

    _provider_answers(chromium, callback, "error=access_denied")
    popup.click("text=Continue to HubSpot")
    popup.wait_for_selector("text=Not connected")
    assert _told(page, "error")[0]["status"] == "denied"

    chromium.unroute("https://app.hubspot.com/**")
    chromium.route("https://app.hubspot.com/**", lambda route: route.fulfill(status=200, body="consent"))
    popup.click("text=Try again")
    popup.click("text=Continue to HubSpot")
    popup.wait_for_url("https://app.hubspot.com/**")
    state = parse_qs(urlsplit(popup.url).query)["state"][0]
    _connected(link)
    popup.goto(f"{callback}?code=c&state={state}")
    assert _told(page, "success") == [{"status": "connected", "UUID": str(link.connection_id)}]
    if not popup.is_closed():
        popup.wait_for_event("close", timeout=5_000)


def test_a_blocked_popup_becomes_the_same_tab(walk: tuple[Any, ConnectLink, str]) -> None:
    page, _, url = walk
    page.evaluate("window.open = function () { return null; }")
    page.click("#go")
    page.wait_for_url(url)
    assert page.title() == "Connect HubSpot to Northwind CRM"


def test_coming_back_without_a_result_is_told_once_as_a_hint(walk: tuple[Any, ConnectLink, str]) -> None:
    page, link, _ = walk
    with page.expect_popup() as opened:
        page.click("#go")
    opened.value.close()
    page.bring_to_front()
    page.evaluate("Document.prototype.hasFocus = () => true; window.dispatchEvent(new Event('focus'))")
    assert _told(page, "close") == [{"UUID": str(link.connection_id)}]
    _connected(link)
    assert len(_told(page, "success")) == 1


def test_the_pages_work_by_keyboard_without_javascript(
    live_server: Any, settings: Any, chromium: Any, make_link: MakeLink
) -> None:
    settings.PUBLIC_URL = live_server.url
    link, path = make_link()
    context = chromium.browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        _provider_answers(context, f"{live_server.url}/oauth/hbdev/callback", "error=access_denied")
        page.goto(live_server.url + path)
        for _ in range(6):
            page.keyboard.press("Tab")
            if page.locator(":focus").inner_text() == "Continue to HubSpot":
                break
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Not connected")
        assert Connection.objects.get(pk=link.connection_id).status == "pending"
    finally:
        context.close()


def test_no_page_breaks_its_own_policy(
    live_server: Any, settings: Any, chromium: Any, make_link: MakeLink
) -> None:
    settings.PUBLIC_URL = live_server.url
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    _provider_answers(chromium, f"{live_server.url}/oauth/hbdev/callback", "error=access_denied")
    page.goto(live_server.url + make_link()[1])
    page.click("text=Continue to HubSpot")
    page.wait_for_selector("text=Not connected")
    assert complaints == []


def test_what_is_typed_unseen_can_be_looked_at_and_is_sent_unseen(
    live_server: Any, chromium: Any, make_link: MakeLink, provider_server: ProviderServer
) -> None:
    """The button that shows it is a script's, under the page's own policy; without scripts there is none."""
    provider_server.on("GET", "https://api.sendgrid.com/v3/scopes", Answer({}, status=401))
    mail = factories.integration("mail", "sendgrid", client_id="")
    path = make_link(integration=mail)[1]
    page = chromium.new_page()
    page.goto(live_server.url + path)
    field = page.locator("input[name=secret-api_key]")
    field.fill(f"SG.{'a' * 22}.{'b' * 43}")
    assert field.get_attribute("type") == "password"
    page.get_by_role("button", name="Show").click()
    assert field.get_attribute("type") == "text"
    page.get_by_role("button", name="Hide").click()
    assert field.get_attribute("type") == "password"
    page.get_by_role("button", name="Show").click()
    page.get_by_role("button", name="Connect SendGrid").click()
    page.get_by_text("SendGrid does not accept these values.").wait_for()
    assert page.locator("input[name=secret-api_key]").input_value() == ""
