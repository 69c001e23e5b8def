"""The whole story of a newcomer, from the developer page to a customer's contacts (contract sections 5, 6, 8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import admin_pages, customer_pages, developer_pages
from tests.browser.conftest import MakeVisitor
from tests.browser.developer_pages import App
from tests.browser.partner_app import PartnerApp
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.served, pytest.mark.xdist_group("browser")]

SLUG = "hbbrowser"
REQUIRED, OPTIONAL = "crm.objects.contacts.read", "crm.objects.companies.read"


def test_a_newcomer_makes_an_app_configures_it_connects_a_customer_and_reads_the_contacts(
    make_visitor: MakeVisitor, demo: dict[str, Any], partner_app: PartnerApp
) -> None:
    staff, customer = make_visitor(), make_visitor()
    app = app_with_scopes(staff)
    redirect_url = configure_in_admin(staff, demo, app)
    assert redirect_url == f"{demo['baseUrl']}/oauth/{SLUG}/callback"
    admin_pages.grant(staff, "demo", SLUG)
    the_provider_takes_the_credentials(staff, app, redirect_url)

    identifier = partner_app.new_customer()
    link = partner_app.connect_link(identifier, slug=SLUG)
    hubspot_names_the_url_that_is_not_registered(customer, link["url"], redirect_url)
    assert partner_app.link_state(link) == "opened"

    developer_pages.register_redirect_url(staff, app, redirect_url)
    staff.look("developer-app")
    customer.page.go_back()
    customer_pages.connect(customer, link["url"])

    connection = partner_app.connection(link["UUID"])
    assert connection["status"] == "active"
    assert set(connection["grantedScopes"]) == {"oauth", REQUIRED, OPTIONAL}
    reply = partner_app.contacts(identifier, slug=SLUG)
    assert reply.status_code == 200, reply.text
    assert reply.json()["results"][0]["properties"]["email"]
    staff_see_the_connection(staff, app)


def app_with_scopes(staff: Visitor) -> App:
    app = developer_pages.make_app(staff, "Newcomer’s app")
    developer_pages.tick_scopes(staff, required=[REQUIRED], optional=[OPTIONAL])
    return app


def configure_in_admin(staff: Visitor, demo: dict[str, Any], app: App) -> str:
    """Adds the integration, at first with two values swapped; returns the redirect URL that is shown."""
    admin_pages.sign_in(staff, demo)
    staff.look("admin-overview", may_scroll_sideways=True)
    admin_pages.choose_provider(staff, "HubSpot")
    page = staff.page
    page.locator("#id_slug").fill(SLUG)
    before_saving = admin_pages.redirect_url(staff)
    copy_button_copies(staff, before_saving)
    admin_pages.pick_scope(staff, REQUIRED, search="contacts read")
    admin_pages.pick_scope(staff, OPTIONAL, search="companies", optional=True)
    assert page.locator("[data-scope-count]").inner_text() == "1 required, 1 optional"
    staff.look("admin-integration-new", may_scroll_sideways=True)

    admin_pages.paste(staff, client_id=app.app_id, client_secret=app.client_secret, app_id=app.client_id)
    admin_pages.save(staff)
    page.locator(".errornote").first.wait_for()
    staff.look("admin-integration-swapped", may_scroll_sideways=True)
    assert "App ID" in admin_pages.errors_of(staff, "client_id")
    assert "Client ID" in admin_pages.errors_of(staff, "app_id")
    assert app.client_secret not in page.content()

    admin_pages.paste_app(staff, app)
    admin_pages.save(staff)
    page.locator(".messagelist .success").wait_for()
    admin_pages.open_integration(staff, SLUG)
    copy_button_copies(staff, before_saving)
    assert page.locator("#id_client_secret").input_value() == ""
    assert app.client_secret not in page.content()
    assert app.client_secret[-4:] in (page.locator("#id_client_secret").get_attribute("placeholder") or "")
    return admin_pages.redirect_url(staff)


def copy_button_copies(staff: Visitor, text: str) -> None:
    staff.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=staff.base_url)
    staff.page.locator(".pb-redirect").get_by_role("button", name="Copy").click()
    staff.page.get_by_role("button", name="Copied").wait_for()
    assert staff.page.evaluate("navigator.clipboard.readText()") == text


def the_provider_takes_the_credentials(staff: Visitor, app: App, redirect_url: str) -> None:
    """Asked before the redirect URL is registered: id and secret are good, whatever else is said."""
    page = staff.page
    admin_pages.open_integration(staff, SLUG)
    page.get_by_role("button", name="Check credentials").click()
    message = page.locator(".messagelist li")
    message.wait_for()
    assert message.get_attribute("class") in {"success", "warning"}, message.inner_text()
    staff.look("admin-integration-saved", may_scroll_sideways=True)
    assert app.client_secret not in page.content()


def hubspot_names_the_url_that_is_not_registered(customer: Visitor, url: str, redirect_url: str) -> None:
    customer_pages.go_to_hubspot(customer, url)
    customer.page.get_by_role("heading", name="Redirect URL mismatch").wait_for()
    assert redirect_url in customer.page.inner_text("main")
    customer.look("hubspot-redirect-mismatch")


def staff_see_the_connection(staff: Visitor, app: App) -> None:
    page = staff.page
    page.goto(f"{staff.base_url}/admin/integrations/connection/")
    page.locator("#changelist-filter").get_by_role("link", name=SLUG).click()
    page.wait_for_url("**/connection/?**")
    assert page.locator("#result_list tbody tr").count() == 1
    staff.look("admin-connections", may_scroll_sideways=True)
    page.locator("#result_list tbody th a").first.click()
    staff.look("admin-connection", may_scroll_sideways=True)
    for path in ("integrations/integration/", "accounts/auditentry/", "integrations/connection/"):
        page.goto(f"{staff.base_url}/admin/{path}")
        assert app.client_secret not in page.content()
