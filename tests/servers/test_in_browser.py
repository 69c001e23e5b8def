"""The same in Chromium: what a customer sees and presses at the servers whose pages are pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.models import Connection
from tests.servers.conftest import MakeScene
from tests.servers.real import LOGIN, NAME, PASSWORD
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


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A tab of a browser that nobody has used."""
    # Playwright's loop runs in this thread, which waits for none of the database's calls.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=[*_ARGUMENTS])
        context = launched.new_context(locale="en-GB")
        context.set_default_timeout(_STEP_MILLISECONDS)
        yield context.new_page()
        launched.close()


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
def test_a_person_connects(make_scene: MakeScene, tab: Any, name: str) -> None:
    scene = make_scene(name)
    new = scene.link()
    leave(tab, new.url)
    _PEOPLE[name][0](tab)
    tab.get_by_role("heading", name="is connected").wait_for()
    assert NAME in tab.inner_text("main")
    assert Connection.objects.get(pk=new.link.connection_id).status == "active"
    assert scene.call().status_code == 200


@pytest.mark.parametrize("name", ["pushing", "toolkit"])
def test_a_person_who_cancels_can_try_again_from_the_page_that_says_so(
    make_scene: MakeScene, tab: Any, name: str
) -> None:
    scene = make_scene(name)
    new = scene.link()
    leave(tab, new.url)
    _PEOPLE[name][1](tab)
    tab.get_by_role("heading", name="Not connected").wait_for()
    tab.context.clear_cookies()  # or the server knows who it was
    tab.get_by_role("link", name="Try again").click()
    tab.get_by_role("button", name="Continue to").click()
    _PEOPLE[name][0](tab)
    tab.get_by_role("heading", name="is connected").wait_for()
    assert Connection.objects.get(pk=new.link.connection_id).status == "active"


def leave(page: Any, url: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="Continue to").click()
