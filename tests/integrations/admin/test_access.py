"""Every admin page meets a superuser, staff who may view, staff without rights, and nobody."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import events
from accounts.audit import Actor, record
from accounts.models import AuditEntry, Event
from accounts.models.event import EventType
from integrations.connect import attempts, links
from tests import factories
from tests.factories import World

READ_ONLY = (
    "accounts.customer",
    "accounts.event",
    "accounts.auditentry",
    "integrations.connection",
    "integrations.connectlink",
    "integrations.authorizationattempt",
)
EDITABLE = ("accounts.partner", "accounts.credential", "integrations.integration")


@pytest.fixture
def rows(world: World) -> World:
    """At least one row of everything that has a page."""
    request = links.LinkRequest(foreign_identifier="customer-1")
    new = links.create_link(world.partner, world.integration, request, actor=factories.ACTOR)
    attempts.start(new.link, browser_secret="b" * 43, values={})
    Event.objects.create(type=EventType.CONNECTION_CREATED, partner=world.partner, occurred_at=timezone.now())
    return world


def urls_of(label: str) -> dict[str, str]:
    model = apps.get_model(label)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    pk = model._default_manager.values_list("pk", flat=True)[0]
    return {
        "list": reverse(f"{name}_changelist"),
        "page": reverse(f"{name}_change", args=[pk]),
        "history": reverse(f"{name}_history", args=[pk]),
        "add": reverse(f"{name}_add"),
        "delete": reverse(f"{name}_delete", args=[pk]),
    }


def statuses(client: Client, label: str) -> dict[str, int]:
    return {name: client.get(url).status_code for name, url in urls_of(label).items()}


@pytest.mark.parametrize("label", [*READ_ONLY, *EDITABLE])
def test_nobody_is_sent_to_the_sign_in_page(rows: World, label: str) -> None:
    for url in urls_of(label).values():
        for response in (Client().get(url), Client().post(url)):
            assert response.status_code == 302
            assert response.headers["Location"].startswith("/admin/login/?next=")


@pytest.mark.parametrize("label", [*READ_ONLY, *EDITABLE])
def test_staff_without_rights_see_nothing(rows: World, staff: Any, label: str) -> None:
    client = staff()
    assert set(statuses(client, label).values()) == {403}
    assert urls_of(label)["list"] not in client.get("/admin/").content.decode()


@pytest.mark.parametrize("label", [*READ_ONLY, *EDITABLE])
def test_staff_who_may_view_see_and_change_nothing(rows: World, staff: Any, label: str) -> None:
    client = staff(f"view_{label.split('.')[1]}")
    assert statuses(client, label) == {"list": 200, "page": 200, "history": 200, "add": 403, "delete": 403}
    urls = urls_of(label)
    assert client.post(urls["page"], {}).status_code == 403
    assert client.post(urls["delete"], {"post": "yes"}).status_code == 403
    assert apps.get_model(label)._default_manager.exists()


@pytest.mark.parametrize("label", READ_ONLY)
def test_not_even_a_superuser_adds_changes_or_deletes(rows: World, boss: Client, label: str) -> None:
    assert statuses(boss, label) == {"list": 200, "page": 200, "history": 200, "add": 403, "delete": 403}
    urls = urls_of(label)
    for name in ("page", "add", "delete"):
        assert boss.post(urls[name], {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("label", EDITABLE)
def test_a_superuser_sees_every_page(rows: World, boss: Client, label: str) -> None:
    may_delete = label == "integrations.integration"
    expected = {"list": 200, "page": 200, "history": 200, "add": 200, "delete": 200 if may_delete else 403}
    assert statuses(boss, label) == expected


def test_nobody_deletes_audit_entries_in_bulk(rows: World, boss: Client) -> None:
    record("test.act", rows.partner, actor=Actor.system("test"))
    before = AuditEntry.objects.count()
    form = {
        "action": "delete_selected",
        "_selected_action": [str(AuditEntry.objects.all()[0].pk)],
        "post": "yes",
    }
    boss.post("/admin/accounts/auditentry/", form)
    assert AuditEntry.objects.count() == before


def test_the_strict_policy_holds_on_every_page(rows: World, boss: Client) -> None:
    for label in (*READ_ONLY, *EDITABLE):
        for url in urls_of(label).values():
            response = boss.get(url)
            page = response.content.decode()
            assert "script-src 'self'" in response.headers["Content-Security-Policy"]
            assert "unsafe" not in response.headers["Content-Security-Policy"]
            assert "<style" not in page
            assert " style=" not in page
            assert " onclick=" not in page
            assert "<script>" not in page


def test_an_event_shows_its_data(rows: World, boss: Client) -> None:
    from django.db import transaction

    with transaction.atomic():
        event = events.record(EventType.FLOW_FAILED, partner=rows.partner, data={"reason": "<b>bold</b>"})
    page = boss.get(reverse("admin:accounts_event_change", args=[event.pk])).content.decode()
    assert "&lt;b&gt;bold" in page
