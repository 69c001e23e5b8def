"""Partners and customers in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Customer, Partner
from tests import factories

ADD = "/admin/accounts/partner/add/"


def post(client: Client, url: str, **changed: Any) -> Any:
    form = {"name": "Acme", "is_active": "on", "allowed_return_origins": "https://app.example.com"}
    return client.post(url, form | changed)


def test_a_partner_is_made_with_its_origins_and_an_audit_entry(boss: Client) -> None:
    origins = "https://app.example.com/\r\n\r\n  HTTPS://Other.Example.com:443\nhttp://localhost:3000\nhttps://app.example.com"
    assert post(boss, ADD, allowed_return_origins=origins).status_code == 302
    partner = Partner.objects.get()
    assert partner.allowed_return_origins == [
        "https://app.example.com",
        "https://other.example.com",
        "http://localhost:3000",
    ]
    entry = AuditEntry.objects.get(action="partner.created")
    assert (entry.object_id, entry.actor_kind) == (str(partner.pk), "staff")


@pytest.mark.parametrize(
    "line",
    [
        "http://app.example.com",
        "https://app.example.com/path",
        "https://app.example.com?x=1",
        "https://user@app.example.com",
        "javascript:alert(1)",
        "app.example.com",
        "*",
        "https://",
        "https://app.example.com\\@evil.example",
    ],
)
def test_a_wrong_origin_is_refused_by_its_line(boss: Client, line: str) -> None:
    response = post(boss, ADD, allowed_return_origins=f"https://fine.example.com\n{line}")
    errors = response.context["adminform"].form.errors["allowed_return_origins"]
    assert len(errors) == 1
    assert errors[0].startswith("Line 2: ")
    assert not Partner.objects.exists()


def test_what_was_typed_stays_in_the_form_after_an_error(boss: Client) -> None:
    response = post(boss, ADD, allowed_return_origins="https://fine.example.com\nnonsense")
    assert "https://fine.example.com\nnonsense" in response.content.decode()


def test_a_change_names_what_changed(boss: Client) -> None:
    partner = factories.partner(allowed_return_origins=["https://app.example.com"])
    url = reverse("admin:accounts_partner_change", args=[partner.pk])
    post(boss, url, requests_per_minute="600")
    partner.refresh_from_db()
    assert partner.requests_per_minute == 600
    assert AuditEntry.objects.get().changes == {"requests_per_minute": [None, 600]}
    post(boss, url, requests_per_minute="600")
    assert AuditEntry.objects.count() == 1


def test_a_partner_is_switched_off_and_never_deleted(boss: Client) -> None:
    partner = factories.partner()
    url = reverse("admin:accounts_partner_change", args=[partner.pk])
    assert boss.post(f"{url[:-7]}delete/", {"post": "yes"}).status_code == 403
    boss.post(url, {"name": "Acme", "allowed_return_origins": ""})
    partner.refresh_from_db()
    assert not partner.is_active
    assert partner.allowed_return_origins == []


def test_two_partners_cannot_share_a_name(boss: Client) -> None:
    factories.partner()
    assert "already exists" in post(boss, ADD).content.decode()


@pytest.mark.parametrize("query", ["tenant/42", "smith@example.com", "Ms Smith"])
def test_customers_are_found_by_identifier_address_and_name(boss: Client, query: str) -> None:
    partner = factories.partner()
    Customer.objects.create(
        partner=partner, foreign_identifier="tenant/42 ✓", email="smith@example.com", display_name="Ms Smith"
    )
    Customer.objects.create(partner=partner, foreign_identifier="other")
    url = reverse("admin:accounts_customer_changelist")
    assert len(boss.get(url, {"q": query}).context["cl"].result_list) == 1


def test_a_customer_named_like_markup_is_escaped(boss: Client) -> None:
    customer = factories.customer(factories.partner(), "<script>alert(1)</script>")
    for url in ("/admin/accounts/customer/", reverse("admin:accounts_customer_change", args=[customer.pk])):
        assert "<script>alert(1)" not in boss.get(url).content.decode()
