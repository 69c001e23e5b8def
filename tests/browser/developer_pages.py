"""What an operator does on the sandbox's developer pages, as they would at HubSpot."""

from __future__ import annotations

from dataclasses import dataclass

from tests.browser.visitor import Visitor


@dataclass(frozen=True, slots=True)
class App:
    """An app that was made there: where its page is, and what stands on it."""

    url: str
    client_id: str
    client_secret: str
    app_id: str


def make_app(visitor: Visitor, name: str) -> App:
    page = visitor.page
    page.goto(f"{visitor.sandbox_url}/developer/apps")
    visitor.look("developer-apps")
    page.get_by_label("App name").fill(name)
    page.get_by_role("button", name="Create app").click()
    page.get_by_role("heading", name=name).wait_for()
    return App(
        url=page.url,
        client_id=page.get_by_label("Client ID").input_value(),
        client_secret=page.get_by_label("Client Secret").input_value(),
        app_id=page.get_by_label("App ID").input_value(),
    )


def tick_scopes(visitor: Visitor, *, required: list[str], optional: list[str]) -> None:
    page = visitor.page
    for kind, names in (("required", required), ("optional", optional)):
        for name in names:
            page.get_by_label(f"{name} {kind}", exact=True).check()
    page.get_by_role("button", name="Save scopes").click()
    page.wait_for_url("**#scopes")


def register_redirect_url(visitor: Visitor, app: App, redirect_url: str) -> None:
    page = visitor.page
    page.goto(app.url)
    page.get_by_label("Add a redirect URL").fill(redirect_url)
    page.get_by_role("button", name="Add redirect URL").click()
    page.locator("form.inline code", has_text=redirect_url).wait_for()
