"""What staff do in the admin."""

from __future__ import annotations

from typing import Any

from tests.browser.developer_pages import App
from tests.browser.visitor import Visitor


def sign_in(visitor: Visitor, demo: dict[str, Any]) -> None:
    page = visitor.page
    page.goto(demo["adminUrl"])
    page.get_by_label("Username").fill(demo["adminUsername"])
    page.get_by_label("Password").fill(demo["adminPassword"])
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Log out").or_(page.get_by_role("button", name="Log out")).wait_for()


def paths_of_overview(visitor: Visitor) -> list[str]:
    """The lists and the Add pages that the overview leads to."""
    links = visitor.page.locator("#content-main th a, #content-main a.addlink")
    paths = links.evaluate_all("links => links.map(link => new URL(link.href).pathname)")
    return [str(path) for path in paths]


def choose_provider(visitor: Visitor, name: str) -> None:
    """From the admin's first page to the empty form of an integration."""
    page = visitor.page
    page.locator("#content tr.model-integration").get_by_role("link", name="Add").click()
    page.get_by_label("Search providers").fill(name[:3].lower())
    page.locator("#provider-cards li:visible").get_by_role("link", name=name).click()
    page.get_by_label("Short name").wait_for()


def paste(visitor: Visitor, *, client_id: str, client_secret: str, app_id: str) -> None:
    page = visitor.page
    page.locator("#id_client_id").fill(client_id)
    page.locator("#id_client_secret").fill(client_secret)
    page.locator("#id_app_id").fill(app_id)


def paste_app(visitor: Visitor, app: App) -> None:
    paste(visitor, client_id=app.client_id, client_secret=app.client_secret, app_id=app.app_id)


def save(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Save", exact=True).click()


def errors_of(visitor: Visitor, field: str) -> str:
    """What the form says beside a field."""
    return " ".join(visitor.page.locator(f".field-{field} .errorlist li").all_inner_texts())


def pick_scope(visitor: Visitor, name: str, *, search: str, optional: bool = False) -> None:
    """Find a scope by typing, tick it, and perhaps mark it optional."""
    page = visitor.page
    page.get_by_label("Search scopes").fill(search)
    row = page.locator(f'li[data-scope="{name}"]')
    row.wait_for()
    row.get_by_role("checkbox").first.check()
    if optional:
        row.get_by_label("optional").check()


def redirect_url(visitor: Visitor) -> str:
    return str(visitor.page.locator("#redirect-url").inner_text())


def open_integration(visitor: Visitor, slug: str) -> None:
    page = visitor.page
    page.goto(f"{visitor.base_url}/admin/integrations/integration/")
    page.get_by_role("link", name=slug, exact=True).click()
    page.locator("#redirect-url").wait_for()


def grant(visitor: Visitor, credential: str, slug: str) -> None:
    """Let a partner's credential use an integration."""
    page = visitor.page
    page.goto(f"{visitor.base_url}/admin/accounts/credential/")
    page.get_by_role("link", name=credential, exact=True).click()
    page.get_by_label(slug).check()
    visitor.look("admin-credential", may_scroll_sideways=True)
    save(visitor)
    page.locator(".messagelist .success").wait_for()
