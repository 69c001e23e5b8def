"""Every page that the admin's overview leads to, under the strict policy."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser import admin_pages, customer_pages
from tests.browser.conftest import MakeVisitor
from tests.browser.partner_app import PartnerApp
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.served, pytest.mark.xdist_group("browser")]

OURS = ("/admin/accounts/", "/admin/integrations/")


@pytest.fixture
def staff(make_visitor: MakeVisitor, demo: dict[str, Any]) -> Visitor:
    """Signed in, on the overview."""
    visitor = make_visitor()
    admin_pages.sign_in(visitor, demo)
    return visitor


def test_every_page_of_ours_opens_with_its_first_row_and_shows_no_markup_as_text(
    staff: Visitor, make_visitor: MakeVisitor, partner_app: PartnerApp
) -> None:
    page = staff.page
    customer_pages.connect(make_visitor(), partner_app.connect_link(partner_app.new_customer())["url"])
    paths = [path for path in admin_pages.paths_of_overview(staff) if path.startswith(OURS)]
    assert len(paths) > 8
    for path in paths:
        staff.open(path)
        first = page.locator("#result_list tbody th a, #result_list tbody td a").first
        if first.count():
            staff.open(first.get_attribute("href"))
        assert "<span" not in page.inner_text("#content"), page.url


def test_every_page_that_other_packages_add_to_the_admin_opens(staff: Visitor) -> None:
    paths = [path for path in admin_pages.paths_of_overview(staff) if not path.startswith(OURS)]
    assert "/admin/auth/user/" in paths
    for path in paths:
        staff.open(path)


def test_the_docs_list_the_calls_with_assets_from_here(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor()
    visitor.open("/api/docs")
    visitor.page.locator(".opblock-summary-path").first.wait_for()
    paths = visitor.page.locator(".opblock-summary-path").evaluate_all(
        "elements => elements.map(element => element.dataset.path)"
    )
    assert {"/api/v1/connect-links", "/api/v1/proxy/{app_slug}", "/oauth/token"} <= set(paths)
    visitor.look("api-docs", may_scroll_sideways=True)


def test_the_docs_are_dark_where_the_browser_is(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor(color_scheme="dark")
    page = visitor.page
    visitor.open("/api/docs")
    page.locator(".opblock-summary-path").first.wait_for()
    assert _lightness(page, "html") < 60 and _lightness(page, ".scheme-container") < 60
    assert _lightness(page, ".info .title", "color") > 190
    page.emulate_media(color_scheme="light")
    page.locator("html:not(.dark-mode)").wait_for()
    assert _lightness(page, "html") > 190 and _lightness(page, ".info .title", "color") < 80


def _lightness(page: Any, selector: str, name: str = "backgroundColor") -> float:
    """The mean of a colour's parts, 0 to 255."""
    found = page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{name}")
    parts = [float(part) for part in re.findall(r"[0-9.]+", found)][:3]
    return sum(parts) / 3
