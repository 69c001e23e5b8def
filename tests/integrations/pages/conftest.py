"""A partner with a HubSpot integration and a connect link, and a browser that walks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import Customer, Partner
from integrations import connect
from integrations.connect import LinkRequest
from integrations.models import ClientCredentials, Connection, ConnectLink, Integration, IntegrationScope
from integrations.models.connection import Status
from sealing import Secret

ACTOR = Actor.system("tests")


@pytest.fixture
def partner(db: None) -> Partner:
    return Partner.objects.create(name="Northwind CRM", allowed_return_origins=["https://app.example.com"])


@pytest.fixture
def integration(db: None) -> Integration:
    made = Integration.objects.create(slug="hbdev", provider_id="hubspot")
    ClientCredentials.objects.create(
        integration=made, client_id="client-1", client_secret=Secret("s3cret-value")
    )
    for scope, is_optional in (
        ("crm.objects.contacts.read", False),
        ("oauth", False),
        ("crm.lists.read", True),
    ):
        IntegrationScope.objects.create(integration=made, scope=scope, is_optional=is_optional)
    return made


MakeLink = Callable[..., tuple[ConnectLink, str]]


@pytest.fixture
def make_link(partner: Partner, integration: Integration) -> MakeLink:
    """Returns (link, path of its page)."""

    def make(**request: Any) -> tuple[ConnectLink, str]:
        integration_of_link = request.pop("integration", integration)
        values = {"foreign_identifier": "tenant<7>", "display_name": "Blue Bottle & Sons", **request}
        new = connect.create_link(partner, integration_of_link, LinkRequest(**values), actor=ACTOR)
        return new.link, urlsplit(new.url).path

    return make


@pytest.fixture
def browser() -> Client:
    """Checks CSRF as real browsers make it necessary."""
    return Client(enforce_csrf_checks=True, headers={"Accept": "text/html,application/xhtml+xml"})


def token_in(page: bytes) -> str:
    found = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, "the page has no CSRF token"
    return found[1].decode()


def press_continue(browser: Client, path: str, **values: str) -> Any:
    """GET the confirm page and send its form."""
    page = browser.get(path)
    assert page.status_code == 200, page.content
    return browser.post(path, {"csrfmiddlewaretoken": token_in(page.content), **values})


def state_sent(page: bytes) -> str:
    """The state in the authorize URL of a leaving page."""
    found = re.search(rb'http-equiv="refresh" content="0; url=([^"]+)"', page)
    assert found, page
    query = urlsplit(found[1].decode().replace("&amp;", "&")).query
    return parse_qs(query)["state"][0]


def make_active(link: ConnectLink, **columns: Any) -> Connection:
    """The link's connection as if it had been connected before."""
    values = {
        "status": Status.ACTIVE,
        "connected_at": timezone.now() - timedelta(days=2),
        "provider_account_id": "4711",
        "provider_account_name": "Blue Bottle portal",
        "provider_account_url": "https://app.hubspot.com/home?portalId=4711",
        **columns,
    }
    Connection.objects.filter(pk=link.connection_id).update(**values)
    return Connection.objects.get(pk=link.connection_id)


def make_customer(partner: Partner, identifier: str) -> Customer:
    return Customer.objects.create(partner=partner, foreign_identifier=identifier)
