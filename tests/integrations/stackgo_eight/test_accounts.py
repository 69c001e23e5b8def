"""Connectors whose account the provider tells: HubSpot, Xero, Atlassian, Procore, QuickBooks."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Event
from integrations import tasks
from integrations.models import Connection
from integrations.representation import timestamp
from tests.integrations.stackgo_eight.conftest import MakeApp, row
from tests.integrations.stackgo_eight.connectors import (
    ATLASSIAN,
    HUBSPOT,
    PROCORE,
    QUICKBOOKS,
    XERO,
    Connector,
)

pytestmark = pytest.mark.served


def test_hubspot_the_portal_is_the_account_and_stays_the_same_for_the_customer(app: MakeApp) -> None:
    at = app(HUBSPOT)
    uuid = at.connect()
    link = "https://app-eu1.hubspot.com/home?portalId=62515"
    assert at.account(uuid) == {"id": "62515", "name": "meowmix.com", "url": link}
    at.provider.extras_of["code-2"] = {"hub_id": 99999}
    details, introspection = HUBSPOT.accounts
    at.provider.serves(*details, {"portalId": 99999, "uiDomain": "app.hubspot.com"})
    at.provider.server.on(*introspection, {"active": True, "hub_id": 99999, "hub_domain": "other.example"})
    reply = at.come_back(at.leave(at.link()), code="code-2", Accept="application/json")
    assert (reply.json()["status"], reply.json()["reason"]) == ("failed", "account_mismatch")
    at.read()
    (call,) = at.provider.calls(HUBSPOT.reading)
    assert call.header("Authorization") == "Bearer access-1"


def test_hubspot_a_write_of_its_guide_arrives_as_it_was_meant(app: MakeApp) -> None:
    at = app(HUBSPOT)
    at.connect()
    contacts = "https://api.hubapi.com/crm/v3/objects/contacts"
    at.provider.serves("POST", contacts, {"id": "9007199254740993"})
    contact = {"properties": {"email": "zoë@meowmix.com"}}
    for is_form, body in ((True, json.dumps(contact)), (False, contact)):
        reply = at.raw(contacts, method="post", is_form=is_form, body=body)
        assert (reply.status_code, reply.json()) == (200, {"data": {"id": "9007199254740993"}})
    sent = at.provider.calls(contacts)
    assert [(call.method, call.json) for call in sent] == [("POST", contact)] * 2


@pytest.mark.parametrize(
    ("connector", "names"),
    [
        (XERO, ["Acme", "Meow"]),
        (ATLASSIAN, ["https://acme.atlassian.net", "https://meow.atlassian.net"]),
        (PROCORE, ["Build Co", "Meow Build"]),
    ],
    ids=["xero", "atlassian", "procore"],
)
def test_one_consent_for_several_accounts_connects_none_until_one_is_chosen(
    app: MakeApp, connector: Connector, names: list[str]
) -> None:
    at = app(connector)
    page = at.come_back(at.leave(at.link()))
    assert 'data-outcome="choosing"' in page.text
    assert [name for name in names if name not in page.text] == []
    assert at.is_connected() is False
    reply = at.raw(connector.reading)
    assert (reply.status_code, at.provider.calls(connector.reading)) == (404, [])
    assert at.choose(page, "another").status_code == 400
    assert at.choose(page, connector.account).json()["message"] == "User Registered"
    assert at.is_connected() is True


def test_xero_the_chosen_organisation_is_named_unless_the_app_names_one(app: MakeApp) -> None:
    at = app(XERO)
    at.connect()
    assert at.field_sent("Xero-Tenant-Id", None) == ["tenant-2"]
    assert at.field_sent("Xero-Tenant-Id", '{"xero-tenant-id": "tenant-1"}') == ["tenant-1"]
    assert at.field_sent("Xero-Tenant-Id", '{"Xero-Tenant-Id": "tenant-1"}') == ["tenant-1"]
    assert at.field_sent("Accept", '{"accept": "application/xml"}') == ["application/xml"]
    assert at.field_sent("Authorization", '{"authorization": "Bearer own"}') == ["Bearer access-1"]


def test_xero_the_organisations_can_be_read_and_none_of_them_ended_by_a_raw_call(app: MakeApp) -> None:
    at = app(XERO)
    at.connect()
    listed = at.raw("https://api.xero.com/connections").json()["data"]
    assert [each["tenantId"] for each in listed] == ["tenant-1", "tenant-2"]
    assert at.raw("https://api.xero.com/connections/link-1", method="DELETE").status_code == 403
    assert at.provider.calls("https://api.xero.com/connections/link-1") == []


def test_atlassian_the_chosen_site_s_cloud_id_makes_the_address(app: MakeApp) -> None:
    """StackGo's answers have no place for it: the native API tells it, and so does Atlassian by a raw call."""
    at = app(ATLASSIAN)
    uuid = at.connect()
    sites = at.raw("https://api.atlassian.com/oauth/token/accessible-resources").json()["data"]
    account = at.account(uuid)
    assert account == {"id": "cloud-2", "name": "meow", "url": "https://meow.atlassian.net"}
    assert account["id"] in [site["id"] for site in sites]
    for product in ("jira/{}/rest/api/3/issue", "confluence/{}/wiki/api/v2/pages"):
        url = f"https://api.atlassian.com/ex/{product.format(account['id'])}"
        at.provider.serves("POST", url, {"id": "10000"})
        reply = at.raw(url, method="POST", body='{"fields":{}}')
        assert reply.json() == {"data": {"id": "10000"}}
        (call,) = at.provider.calls(url)
        assert (call.header("Authorization"), call.json) == ("Bearer access-1", {"fields": {}})


def test_atlassian_nothing_but_the_gateway_is_called(app: MakeApp) -> None:
    """The sites' own hosts do not take such tokens."""
    at = app(ATLASSIAN)
    at.connect()
    at.check_refused("https://meow.atlassian.net/rest/api/3/myself")


def test_procore_the_chosen_company_is_named_unless_the_app_names_one(app: MakeApp) -> None:
    at = app(PROCORE)
    at.connect()
    assert at.field_sent("Procore-Company-Id", None) == ["11"]
    assert at.field_sent("Procore-Company-Id", '{"procore-company-id": "10"}') == ["10"]


def test_procore_a_refresh_token_is_never_used_twice(app: MakeApp) -> None:
    """It is spent by its first use, whatever becomes of the answer."""
    at = app(PROCORE)
    at.connect()
    for _ in range(3):
        at.end_token()
        at.read()
    used = [call.form["refresh_token"] for call in at.provider.calls(PROCORE.token)[1:]]
    assert used == ["refresh-1", "refresh-2", "refresh-3"]


def test_quickbooks_the_company_of_the_callback_makes_the_address(app: MakeApp) -> None:
    at = app(QUICKBOOKS)
    realm = at.account(at.connect())["id"]
    assert realm == QUICKBOOKS.callback["realmId"]
    url = f"https://quickbooks.api.intuit.com/v3/company/{realm}/invoice?minorversion=75"
    at.provider.serves("POST", url, {"Invoice": {"Id": "1"}})
    reply = at.raw(url, method="POST", body='{"Line":[{"Amount":100.00}]}')
    assert reply.json() == {"data": {"Invoice": {"Id": "1"}}}
    (call,) = at.provider.calls(url)
    assert (call.query, call.body) == ({"minorversion": "75"}, b'{"Line":[{"Amount":100.00}]}')


def test_quickbooks_a_callback_without_a_company_connects_nobody(app: MakeApp) -> None:
    at = app(QUICKBOOKS)
    for callback, reason in (({"realmId": "../1"}, "bad_parameter"), ({"other": "1"}, "bad_response")):
        reply = at.come_back(at.leave(at.link()), callback, Accept="application/json")
        assert (reply.json()["status"], reply.json()["reason"]) == ("failed", reason)
    assert at.is_connected() is False


def test_quickbooks_the_hundred_days_begin_anew_with_every_refresh(app: MakeApp) -> None:
    at = app(QUICKBOOKS)
    uuid = at.connect()
    days = timedelta(days=100)

    def check_ends() -> Connection:
        kept = row(uuid)
        assert kept.token_stored_at and kept.refresh_token_expires_at and kept.refresh_token_alert_at
        assert kept.refresh_token_expires_at - kept.token_stored_at == days
        assert kept.refresh_token_expires_at - kept.refresh_token_alert_at == timedelta(days=10)
        assert kept.next_refresh_at and kept.next_refresh_at <= timezone.now() + timedelta(days=1)
        return kept

    first = check_ends()
    at.end_token()
    soon = timezone.now() + timedelta(days=3)
    Connection.objects.update(refresh_token_expires_at=soon, refresh_token_alert_at=None)
    at.read()
    second = check_ends()
    assert second.token_version == first.token_version + 1


def test_quickbooks_the_partner_is_told_before_an_unused_grant_lapses(app: MakeApp) -> None:
    at = app(QUICKBOOKS)
    uuid = at.connect()
    Connection.objects.update(refresh_token_alert_at=timezone.now() - timedelta(seconds=1))
    for _ in range(2):  # once is enough
        tasks.tell_ending_grants()
    (told,) = Event.objects.filter(type="connection.updated").values_list("data", flat=True)
    ends_at = timestamp(row(uuid).refresh_token_expires_at)
    assert (told["UUID"], told["refreshTokenExpiresAt"]) == (uuid, ends_at)
