"""Known failures under *connect*, at the level of the flow; providers that no file describes are made here."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from integrations import catalogue, connect
from integrations.models import Connection, IntegrationScope
from integrations.models.connection import Status
from integrations.representation import reconnect_url
from tests import factories
from tests.factories import World
from tests.integrations.connect.conftest import (
    ENTERPRISE,
    STARTER,
    Browser,
    MakeEntry,
    MakeIntegration,
    MakeLink,
    Web,
    connection_of,
    link_to,
    parameters,
)
from tests.integrations.pages.conftest import press_continue

pytestmark = pytest.mark.django_db
TOKEN_PATH = "/oauth/2026-09/token"


def exchanges(sandbox: Any) -> list[dict[str, list[str]]]:
    """The forms that reached the token endpoint, oldest first."""
    arrived = sandbox.control("GET", f"/_control/requests?path={TOKEN_PATH}")
    return [parse_qs(request["body"]) for request in arrived if request["rawTarget"] == TOKEN_PATH]


def test_con_02_a_query_that_the_authorize_address_has_is_kept(
    make_entry: MakeEntry, make_integration: MakeIntegration, browser: Browser
) -> None:
    make_entry("acme", authorization_endpoint="https://login.example/authorize?prompt=select_account")
    url = browser.leave(link_to(make_integration("acme-dev", "acme", ["read"])))
    assert url.startswith("https://login.example/authorize?")
    assert url.count("?") == 1 and "#" not in url
    sent = parameters(url)
    state, challenge = sent.pop("state"), sent.pop("code_challenge")
    assert (len(state), len(challenge)) == (1, 1)
    assert sent == {
        "prompt": ["select_account"],
        "response_type": ["code"],
        "client_id": [factories.CLIENT_ID],
        "redirect_uri": ["http://localhost:8000/oauth/acme-dev/callback"],
        "scope": ["read"],
        "code_challenge_method": ["S256"],
    }


@pytest.mark.parametrize(("scope_rules", "wire"), [({}, "scope=a%20b"), ({"separator": ","}, "scope=a%2Cb")])
def test_con_04_scopes_are_separated_as_the_provider_wants(
    make_entry: MakeEntry,
    make_integration: MakeIntegration,
    browser: Browser,
    scope_rules: dict[str, str],
    wire: str,
) -> None:
    make_entry("acme", scope=scope_rules)
    url = browser.leave(link_to(make_integration("acme-dev", "acme", ["a", "b"])))
    assert wire in urlsplit(url).query.split("&")


def test_con_05_the_oauth_scope_is_always_required_and_the_optional_ones_stay_apart(
    make_integration: MakeIntegration, browser: Browser
) -> None:
    made = make_integration(
        "hbdev", "hubspot", ["crm.objects.contacts.read"], ["marketing.campaigns.read", "oauth"]
    )
    sent = parameters(browser.leave(link_to(made)))
    assert sorted(sent["scope"][0].split(" ")) == ["crm.objects.contacts.read", "oauth"]
    assert sent["optional_scope"] == ["marketing.campaigns.read"]


def test_con_06_an_app_asks_for_its_own_scopes_alone(
    make_entry: MakeEntry, make_integration: MakeIntegration, browser: Browser
) -> None:
    """The template's usual scopes are what staff are offered, never what a link asks for."""
    rules = {"mandatory": ["base"], "default": ["y", "z"], "optional_parameter": "optional_scope"}
    make_entry("acme", scopes=["base", "y", "z"], scope=rules)
    sent = parameters(browser.leave(link_to(make_integration("acme-dev", "acme", ["x"]))))
    assert sent["scope"] == ["x base"]
    assert "optional_scope" not in sent


@pytest.mark.parametrize(
    "headers", [{"host": "web:8000"}, {"host": "web:8000", "x-forwarded-host": "evil.example"}]
)
def test_con_07_the_redirect_uri_is_made_of_the_public_url_alone(
    make_link: MakeLink, settings: Any, headers: dict[str, str]
) -> None:
    settings.PUBLIC_URL = "https://connect.example.com"
    settings.ALLOWED_HOSTS = ["web"]
    page = Client(headers={"Accept": "text/html", **headers}).post(urlsplit(make_link().url).path)
    assert page.status_code == 200
    text = page.content.decode()
    assert "redirect_uri=https%3A%2F%2Fconnect.example.com%2Foauth%2Fhbdev%2Fcallback&amp;" in text
    assert "redirect_uri=http%3A" not in text
    assert "evil.example" not in text and "web:8000" not in text


def test_con_08_both_legs_carry_the_same_redirect_uri(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, settings: Any
) -> None:
    url = browser.leave(make_link())
    query = browser.consent(url)
    settings.PUBLIC_URL = "https://changed.example"
    assert browser.come_back(query).outcome == "connected"
    (form,) = exchanges(at_sandbox)
    assert form["redirect_uri"] == parameters(url)["redirect_uri"]


def test_con_11_extra_parameters_stay_with_the_provider_that_declares_them(
    make_entry: MakeEntry, make_integration: MakeIntegration, make_link: MakeLink, browser: Browser
) -> None:
    make_entry("acme", authorization_params={"access_type": "offline", "prompt": "consent"})
    declared = parameters(browser.leave(link_to(make_integration("acme-dev", "acme", ["read"]))))
    assert (declared["access_type"], declared["prompt"]) == (["offline"], ["consent"])
    plain = parameters(browser.leave(make_link()))
    assert "access_type" not in plain and "prompt" not in plain


def test_con_14_a_partner_reaches_its_own_connection_alone_though_the_identifiers_are_equal(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    other = factories.world("Umbrella", of=world.integration)
    theirs = factories.connection(other, "customer-1")
    before = Connection.objects.values().get(pk=theirs.pk)
    new = make_link("customer-1")
    assert browser.walk(new).outcome == "connected"
    assert new.link.connection_id != theirs.pk
    assert Connection.objects.values().get(pk=theirs.pk) == before


def test_con_15_another_account_changes_and_stores_nothing(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    new = make_link()
    browser.walk(new)
    before = Connection.objects.values().get(pk=new.link.connection_id)
    finished = browser.walk(make_link(), hub_id=ENTERPRISE)
    assert (finished.outcome, finished.reason) == ("failed", "account_mismatch")
    assert Connection.objects.values().get(pk=new.link.connection_id) == before
    assert list(Connection.objects.values_list("provider_account_id", flat=True)) == [str(STARTER)]


def test_con_16_each_of_two_flows_proves_its_own_challenge(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    urls = [browser.leave(make_link("one")), browser.leave(make_link("two"))]
    for url in urls:
        assert browser.come_back(browser.consent(url)).outcome == "connected"
    for url, form in zip(urls, exchanges(at_sandbox), strict=True):
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        assert parameters(url)["code_challenge"] == [challenge]


def test_con_17_after_forty_unfinished_flows_the_cookies_are_small_and_the_newest_five_finish(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser
) -> None:
    """One cookie serves all attempts of a browser for an hour, so nothing piles up and none has to be cleared."""
    urls = [web.leave(make_link(f"customer-{number}")) for number in range(40)]
    sent = "; ".join(f"{name}={cookie.value}" for name, cookie in web.client.cookies.items())
    assert len(sent) < 4_096
    assert web.client.cookies[connect.browser_cookie()]["max-age"] == 3_600
    for url in urls[-5:]:
        assert 'data-outcome="connected"' in web.come_back(browser.consent(url)).content.decode()
    after = "; ".join(f"{name}={cookie.value}" for name, cookie in web.client.cookies.items())
    assert len(after) <= len(sent)


@pytest.mark.parametrize(
    "typed", ["evil.example/#", "evil.example:443/x?", "a@evil.example", "a.b", "", "my-shop-1"]
)
def test_con_19_a_typed_host_part_is_one_label_or_a_400(
    make_integration: MakeIntegration, provider_server: Any, typed: str
) -> None:
    path = urlsplit(link_to(make_integration("shops", "shopify", ["read_products"])).url).path
    page = press_continue(Client(headers={"Accept": "text/html"}), path, shop=typed)
    assert page.status_code == (200 if typed == "my-shop-1" else 400)
    assert (b"https://my-shop-1.myshopify.com/admin/oauth/authorize?" in page.content) is (
        typed == "my-shop-1"
    )
    assert provider_server.requests == []


def test_con_20_a_reconnect_reuses_all_but_the_credentials(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    new = make_link("tenant-7", connection_name="second", display_name="Ada's Bakery", email="a@b.example")
    browser.walk(new)
    made = connection_of(new)
    Connection.objects.filter(pk=made.pk).update(
        status=Status.RECONNECT_REQUIRED, status_reason="revoked_at_provider", status_evidence="HTTP 400"
    )
    kept = ("id", "name", "customer_id", "integration_id", "partner_id", "created_at", "provider_account_id")
    before = Connection.objects.values(*kept, "requested_scopes").get(pk=made.pk)

    path = connect.open_reconnect(reconnect_url(made).rsplit("/", 1)[1])
    link = connect.find_link(path.rsplit("/", 1)[1])
    url = connect.start(link, browser_secret=browser.secret, values={}).authorization_url
    assert browser.come_back(browser.consent(url)).outcome == "connected"

    after = connection_of(new)
    assert Connection.objects.values(*kept, "requested_scopes").get(pk=made.pk) == before
    assert (after.customer.display_name, after.customer.email) == ("Ada's Bakery", "a@b.example")
    assert (after.status, after.status_reason, after.status_evidence) == (Status.ACTIVE, "", "")
    assert after.access_token != made.access_token
    assert after.token_version == made.token_version + 1


def test_hubspot_05_the_address_that_staff_copy_is_the_one_that_is_sent(
    make_link: MakeLink, browser: Browser, world: World
) -> None:
    shown = world.integration.redirect_uri
    assert parameters(browser.leave(make_link()))["redirect_uri"] == [shown]
    assert shown == "http://localhost:8000/oauth/hbdev/callback"
    steps = world.integration.provider.setup_steps
    assert any("{redirect_uri}" in step for step in steps)


def test_hubspot_07_another_host_in_the_request_changes_no_address(
    make_link: MakeLink, settings: Any, world: World
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    page = Client(headers={"Accept": "text/html", "host": "tunnel.example"}).post(
        urlsplit(make_link().url).path
    )
    assert b"tunnel.example" not in page.content
    assert b"redirect_uri=http%3A%2F%2Flocalhost%3A8000%2Foauth%2Fhbdev%2Fcallback" in page.content


def test_hubspot_08_the_oauth_scope_is_added_though_staff_left_it_out(
    make_integration: MakeIntegration, browser: Browser
) -> None:
    sent = parameters(browser.leave(link_to(make_integration("hbdev", "hubspot", ["tickets"]))))
    assert sent["scope"] == ["tickets oauth"]


def test_hubspot_08_the_install_url_of_hubspot_s_page_gives_the_scope_lists() -> None:
    from integrations import pasted_values

    pasted = (
        "https://app-eu1.hubspot.com/oauth/authorize?client_id=7fff1e36-2d40-4ae1-bbb1-5266d59564fb"
        "&redirect_uri=http://localhost:8000/oauth/hbdev/callback"
        "&scope=oauth%20crm.objects.contacts.read&optional_scope=marketing.campaigns.read"
    )
    found = pasted_values.take_apart(catalogue.get("hubspot"), pasted)
    assert found is not None
    assert found.client_id == "7fff1e36-2d40-4ae1-bbb1-5266d59564fb"
    assert tuple(found.scopes) == ("oauth", "crm.objects.contacts.read")
    assert tuple(found.optional_scopes) == ("marketing.campaigns.read",)


def test_hubspot_11_no_scope_is_hard_coded_but_oauth(
    make_integration: MakeIntegration, browser: Browser
) -> None:
    sent = parameters(browser.leave(link_to(make_integration("hbdev", "hubspot"))))
    assert sent["scope"] == ["oauth"]
    assert "optional_scope" not in sent


def test_hubspot_11_a_legacy_scope_is_known_as_such() -> None:
    known = catalogue.get("hubspot").scope_by_name("contacts")
    assert known is not None and known.kind == "legacy"


def test_hubspot_46_a_scope_that_needs_a_plan_says_so_and_may_be_optional(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    known = catalogue.get("hubspot").scope_by_name("marketing.campaigns.read")
    assert known is not None and known.paid and "Marketing Hub" in known.tier
    IntegrationScope.objects.create(integration=world.integration, scope=known.name, is_optional=True)
    sent = parameters(browser.leave(make_link()))
    assert known.name in sent["optional_scope"][0].split(" ")
    assert known.name not in sent["scope"][0].split(" ")
