"""What a customer can do with a link and with the page of their own (contract section 6)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser import customer_pages
from tests.browser.conftest import MakeVisitor
from tests.browser.partner_app import PartnerApp
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.served, pytest.mark.xdist_group("browser")]


def test_cal_01_denying_ends_on_a_page_that_says_what_to_do_and_the_link_still_connects(
    visitor: Visitor, partner_app: PartnerApp
) -> None:
    page = visitor.page
    identifier = partner_app.new_customer()
    link = partner_app.connect_link(identifier)
    page.goto(link["url"])
    shown = page.inner_text("main")
    assert "Acme Sync" in shown and "Ada’s Bakery" in shown and identifier not in page.content()
    assert page.locator(".scopes li").count() > 1
    visitor.look("connect-confirm")
    customer_pages.go_to_hubspot(visitor, link["url"])
    visitor.look("hubspot-consent")
    customer_pages.deny(visitor)
    page.get_by_role("heading", name="Not connected").wait_for()
    visitor.look("connect-denied")
    assert partner_app.connection(link["UUID"])["status"] == "pending"
    assert partner_app.contacts(identifier).status_code == 404

    page.get_by_role("link", name="Try again").click()
    page.get_by_role("button", name="Continue to HubSpot").click()
    page.get_by_role("radio").nth(1).check()
    customer_pages.allow(visitor)
    page.get_by_role("heading", name="HubSpot is connected").wait_for()
    visitor.look("connect-connected")
    connection = partner_app.connection(link["UUID"])
    assert connection["status"] == "active"
    assert connection["providerAccount"]["name"] in page.inner_text("main")
    assert partner_app.contacts(identifier).json()["results"]

    visitor.open(link["url"], status=410)
    page.get_by_role("heading", name="This link was used already").wait_for()
    visitor.look("connect-used")


@pytest.mark.parametrize(
    ("decision", "status"), [(customer_pages.allow, "connected"), (customer_pages.deny, "denied")]
)
def test_the_browser_goes_on_to_the_partners_return_url_with_the_result(
    visitor: Visitor, partner_app: PartnerApp, demo: dict[str, Any], decision: Any, status: str
) -> None:
    there = f"{demo['baseUrl']}/readyz?tab=crm"
    link = partner_app.connect_link(partner_app.new_customer(), returnUrl=there)
    customer_pages.go_to_hubspot(visitor, link["url"])
    decision(visitor)
    visitor.page.wait_for_url(f"{demo['baseUrl']}/readyz?**")
    query = parse_qs(urlsplit(visitor.page.url).query)
    assert query == {"tab": ["crm"], "status": [status], "UUID": [link["UUID"]]}


def test_a_withdrawn_link_and_an_unknown_one_say_what_to_do(
    visitor: Visitor, partner_app: PartnerApp
) -> None:
    page = visitor.page
    link = partner_app.connect_link(partner_app.new_customer())
    partner_app.revoke(link)
    visitor.open(link["url"], status=410)
    page.get_by_role("heading", name="This link was withdrawn").wait_for()
    visitor.look("connect-withdrawn")
    visitor.open(link["url"][:-3], status=404)
    page.get_by_role("heading", name="There is no such link").wait_for()
    visitor.look("connect-unknown")
    visitor.open("/nothing-here", status=404)
    visitor.look("not-found")


def test_the_own_page_pauses_resumes_and_disconnects(visitor: Visitor, partner_app: PartnerApp) -> None:
    page = visitor.page
    identifier = partner_app.new_customer()
    link = partner_app.connect_link(identifier)
    customer_pages.connect(visitor, link["url"])
    assert partner_app.contacts(identifier).status_code == 200

    page.goto(partner_app.manage_link(identifier))
    visitor.look("manage-active")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("The connection is paused").wait_for()
    visitor.look("manage-paused")
    assert partner_app.contacts(identifier).status_code == 423

    page.get_by_role("button", name="Resume").click()
    page.get_by_text("The connection works again").wait_for()
    assert partner_app.contacts(identifier).status_code == 200

    page.get_by_text("Disconnect…").click()
    visitor.look("manage-disconnect")
    page.get_by_role("button", name="Disconnect now").click()
    page.get_by_text("The stored keys are deleted").wait_for()
    visitor.look("manage-disconnected")
    assert partner_app.contacts(identifier).status_code == 404
    assert partner_app.connection(link["UUID"])["status"] == "disconnected"


def test_the_own_page_tells_for_which_calls_the_connection_is_used(
    visitor: Visitor, partner_app: PartnerApp
) -> None:
    page = visitor.page
    identifier = partner_app.new_customer()
    customer_pages.connect(visitor, partner_app.connect_link(identifier)["url"])
    page.goto(partner_app.manage_link(identifier))
    page.get_by_text("Acme Sync has not used it in the last 30 days.").wait_for()
    visitor.look("manage-unused")
    assert partner_app.contacts(identifier).status_code == 200
    customer_pages.reload_until_shown(visitor, page.get_by_role("table", name="How often Acme Sync used it"))
    visitor.look("manage-used")
    kinds = [row.split() for row in page.locator("tbody tr").all_inner_texts()]
    assert [(row[0], *row[-2:]) for row in kinds] == [
        ("Read", "1", "1"),
        ("Sent", "0", "0"),
        ("Deleted", "0", "0"),
    ]
    assert "/crm/" not in page.content()


def test_the_whole_way_works_without_javascript(make_visitor: MakeVisitor, partner_app: PartnerApp) -> None:
    visitor = make_visitor(java_script_enabled=False)
    identifier = partner_app.new_customer()
    link = partner_app.connect_link(identifier)
    customer_pages.go_to_hubspot(visitor, link["url"])
    customer_pages.deny(visitor)
    visitor.page.get_by_role("link", name="Try again").click()
    customer_pages.connect(visitor, visitor.page.url)
    visitor.page.goto(partner_app.manage_link(identifier))
    visitor.page.get_by_text("Disconnect…").click()
    visitor.page.get_by_role("button", name="Disconnect now").click()
    visitor.page.get_by_text("The stored keys are deleted").wait_for()


def test_the_whole_way_works_by_keyboard(visitor: Visitor, partner_app: PartnerApp) -> None:
    page = visitor.page
    link = partner_app.connect_link(partner_app.new_customer())
    page.goto(link["url"])
    visitor.press_until_focused("Continue to HubSpot")
    visitor.look("connect-keyboard-focus")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{visitor.sandbox_url}/oauth/**")
    visitor.press_until_focused("Connect app")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="HubSpot is connected").wait_for()


def test_the_page_on_the_way_names_where_the_browser_goes(
    make_visitor: MakeVisitor, partner_app: PartnerApp, demo: dict[str, Any]
) -> None:
    """Held back, as by a provider that does not answer: the page that the customer can come back to."""
    visitor = make_visitor()
    page = visitor.page
    page.route(f"{demo['sandboxUrl']}/oauth/**", lambda route: route.fulfill(status=204))
    page.goto(partner_app.connect_link(partner_app.new_customer())["url"])
    page.get_by_role("button", name="Continue to HubSpot").click()
    page.get_by_role("heading", name="Taking you to HubSpot…").wait_for()
    assert urlsplit(demo["sandboxUrl"]).netloc in page.inner_text("main")
    visitor.look("connect-leaving")
    page.get_by_role("link", name="Try again").click()
    page.get_by_text("Came back from HubSpot without a result?").wait_for()
    visitor.look("connect-came-back")
