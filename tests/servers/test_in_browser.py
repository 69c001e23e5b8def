"""The same in Chromium: what a customer sees and presses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from integrations.connect import NewLink
from integrations.models import Connection
from tests.sdks import tls
from tests.servers.conftest import MakeScene
from tests.servers.real import LOGIN, NAME, PASSWORD
from tests.servers.scene import Scene
from tests.suite import chromium

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.served,
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="Chromium is not installed"),
]
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
_STEP_MILLISECONDS = 30_000


OpenTab = Callable[..., Any]


@pytest.fixture
def open_tab(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenTab]:
    """open_tab(argument of Chromium, …): a tab of a browser that nobody has used."""
    # Playwright's loop runs in this thread, which waits for none of the database's calls.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_api.sync_playwright() as playwright, ExitStack() as stack:

        def open_(*arguments: str) -> Any:
            launched = playwright.chromium.launch(executable_path=chromium(), args=[*_ARGUMENTS, *arguments])
            stack.callback(launched.close)
            context = launched.new_context(locale="en-GB", ignore_https_errors=True)
            context.set_default_timeout(_STEP_MILLISECONDS)
            return context.new_page()

        yield open_


def agree_at_oidc_provider(page: Any) -> None:
    page.get_by_placeholder("Enter any login").fill(LOGIN)
    page.get_by_placeholder("and password").fill(PASSWORD)
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_text("contacts", exact=True).wait_for()
    page.get_by_role("button", name="Continue").click()


def deny_at_oidc_provider(page: Any) -> None:
    page.get_by_role("link", name="Cancel").click()


def agree_at_toolkit(page: Any) -> None:
    page.get_by_label("Username").fill(LOGIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Read contacts").wait_for()
    page.get_by_role("button", name="Authorize").click()


def deny_at_toolkit(page: Any) -> None:
    page.get_by_label("Username").fill(LOGIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Cancel").click()


_PEOPLE = {
    "oidc-provider": (agree_at_oidc_provider, deny_at_oidc_provider),
    "pushing": (agree_at_oidc_provider, deny_at_oidc_provider),
    "toolkit": (agree_at_toolkit, deny_at_toolkit),
}


@pytest.mark.parametrize("name", ["oidc-provider", "pushing", "toolkit"])
def test_a_person_connects(make_scene: MakeScene, open_tab: OpenTab, name: str) -> None:
    scene, page = make_scene(name), open_tab()
    new = scene.link()
    leave(page, new.url)
    _PEOPLE[name][0](page)
    require_connected(scene, page, new)


def test_a_person_connects_at_glewlwyd_over_tls(
    make_scene: MakeScene, open_tab: OpenTab, tmp_path: Path
) -> None:
    """Its pages are one script, which knows the server by its name alone."""
    scene = make_scene("glewlwyd")
    new = scene.link()
    host = scene.server.origin.removeprefix("https://")
    with tls.before(int(scene.server.url.rpartition(":")[2]), tls.certificate(tmp_path)) as port:
        page = open_tab(f"--host-resolver-rules=MAP {host}:443 127.0.0.1:{port}")
        leave(page, new.url)
        page.locator("#username").fill(LOGIN)
        page.locator("#password").fill(PASSWORD)
        page.locator("#password").press("Enter")
        for scope in scene.server.scopes:
            page.get_by_label(scope, exact=True).check()
        page.get_by_role("button", name="Grant access").click()
        page.get_by_role("button", name="Continue").click()
        require_connected(scene, page, new)


@pytest.mark.parametrize("name", ["pushing", "toolkit"])
def test_a_person_who_cancels_can_try_again_from_the_page_that_says_so(
    make_scene: MakeScene, open_tab: OpenTab, name: str
) -> None:
    scene, page = make_scene(name), open_tab()
    new = scene.link()
    leave(page, new.url)
    _PEOPLE[name][1](page)
    page.get_by_role("heading", name="Not connected").wait_for()
    page.context.clear_cookies()  # or the server knows who it was
    page.get_by_role("link", name="Try again").click()
    page.get_by_role("button", name="Continue to").click()
    _PEOPLE[name][0](page)
    require_connected(scene, page, new)


def leave(page: Any, url: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="Continue to").click()


def require_connected(scene: Scene, page: Any, new: NewLink) -> None:
    page.get_by_role("heading", name="is connected").wait_for()
    assert NAME in page.inner_text("main")
    assert Connection.objects.get(pk=new.link.connection_id).status == "active"
    assert scene.call().status_code == 200
