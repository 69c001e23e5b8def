"""Every page that the admin's overview leads to, under the strict policy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import admin_pages, customer_pages
from tests.browser.conftest import MakeVisitor
from tests.browser.partner_app import PartnerApp

pytestmark = [pytest.mark.browser, pytest.mark.served, pytest.mark.xdist_group("browser")]

#: pages of our own models, whose first row is opened too
OURS = ("/admin/accounts/", "/admin/integrations/")


def test_every_page_of_the_admin_opens_and_none_shows_markup_as_text(
    make_visitor: MakeVisitor, demo: dict[str, Any], partner_app: PartnerApp
) -> None:
    customer_pages.connect(make_visitor(), partner_app.connect_link(partner_app.new_customer())["url"])
    staff = make_visitor()
    page = staff.page
    admin_pages.sign_in(staff, demo)
    paths = page.locator("#content-main th a, #content-main a.addlink").evaluate_all(
        "links => links.map(link => new URL(link.href).pathname)"
    )
    assert len(paths) > 15
    for path in paths:
        staff.open(path)
        first = page.locator("#result_list tbody th a, #result_list tbody td a").first
        if path.startswith(OURS) and first.count():
            staff.open(first.get_attribute("href"))
        assert "<span" not in page.inner_text("#content"), page.url


def test_the_docs_list_the_calls_with_assets_from_here(make_visitor: MakeVisitor) -> None:
    visitor = make_visitor()
    visitor.open("/api/docs")
    visitor.page.locator(".opblock-summary-path").first.wait_for()
    paths = visitor.page.locator(".opblock-summary-path").evaluate_all(
        "elements => elements.map(element => element.dataset.path)"
    )
    assert {"/api/v1/connect-links", "/proxy/{app_slug}", "/oauth/token"} <= set(paths)
    visitor.look("api-docs", may_scroll_sideways=True)
