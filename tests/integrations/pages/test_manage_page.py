from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Partner
from integrations import connect
from integrations.models import Connection, Integration, ManageLink
from integrations.models.connection import Status
from integrations.representation import reconnect_url
from proxy import activity
from proxy.models import TrafficEntry
from tests.integrations.pages.conftest import ACTOR, MakeLink, make_active, make_customer, token_in
from tests.proxy.traffic.records import record, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(make_link: MakeLink) -> Connection:
    return make_active(
        make_link()[0],
        granted_scopes=["oauth"],
        requested_scopes=["oauth", "crm.objects.contacts.read"],
    )


@pytest.fixture
def path(connection: Connection, partner: Partner) -> str:
    _, url = connect.create_manage_link(partner, "tenant<7>", actor=ACTOR)
    return urlsplit(url).path


def _act(browser: Client, path: str, action: str, connection_id: object) -> object:
    token = token_in(browser.get(path).content)
    form = {"csrfmiddlewaretoken": token, "action": action, "connection": str(connection_id)}
    return browser.post(path, form)


def test_the_page_lists_what_is_connected_and_what_is_missing(browser: Client, path: str) -> None:
    page = browser.get(path)
    text = page.content.decode()
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"
    assert "Blue Bottle portal" in text and 'href="https://app.hubspot.com/home?portalId=4711"' in text
    assert "Not allowed so far" in text and "Read contacts" in text
    assert "tenant" not in text
    assert "Blue Bottle &amp; Sons" in text


def _section(page: Any, connection: Connection) -> str:
    """What the page says of the connection's use."""
    text = page.content.decode()
    found = re.search(
        rf'<section class="uses" aria-labelledby="uses-{connection.pk}">(.*?)</section>', text, re.S
    )
    assert found, text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", found[1]))


def _called(connection: Connection, **values: Any) -> Any:
    return record(partner_id=connection.partner_id, connection_id=connection.pk, **values)


def test_the_owner_reads_for_which_calls_each_connection_is_used(
    browser: Client, path: str, connection: Connection
) -> None:
    store(
        [_called(connection, began_at=time.time() - 86_400 * days) for days in (0, 0, 3)]
        + [
            _called(
                connection, method="PATCH", path="/crm/v3/objects/contacts/73001", query="email=ada%40x.de"
            )
        ]
    )
    page = browser.get(path)
    shown = _section(page, connection)
    assert "How often Northwind CRM used it" in shown and "requests to HubSpot" in shown
    assert re.search(r"Read last on [^|]+? \d{4} 2 3 ", shown) and re.search(
        r"changed last on [^|]+? \d{4} 1 1 ", shown
    )
    assert "Deleted 0 0" in shown
    for kept_back in (b"73001", b"ada", b"/crm/", b"PATCH", b"api.hubapi.com"):
        assert kept_back not in page.content


def test_the_last_use_is_that_of_the_newest_call(browser: Client, path: str, connection: Connection) -> None:
    Connection.objects.update(last_used_at=timezone.now() - timedelta(days=2))
    store([_called(connection)])
    newest = TrafficEntry.objects.get().at
    assert (
        f'<dd><time datetime="{newest.isoformat(timespec="microseconds")}">'
        in browser.get(path).content.decode()
    )


def test_a_connection_without_calls_says_so(browser: Client, path: str, connection: Connection) -> None:
    shown = _section(browser.get(path), connection)
    assert "Northwind CRM has not used it in the last 30 days." in shown and "Deleted" not in shown


def test_nothing_is_said_of_calls_where_they_are_not_kept(
    browser: Client, path: str, connection: Connection, settings: Any
) -> None:
    settings.TRAFFIC_LOG = "off"
    page = browser.get(path)
    assert b"Blue Bottle portal" in page.content and b"used it" not in page.content


def test_another_customer_and_nobody_learn_nothing_of_the_calls(
    browser: Client, connection: Connection, partner: Partner
) -> None:
    store([_called(connection)] * 7)
    make_customer(partner, "other")
    _, url = connect.create_manage_link(partner, "other", actor=ACTOR)
    for address, status in ((urlsplit(url).path, 200), ("/manage/", 404), ("/manage/unknown", 404)):
        page = browser.get(address)
        assert page.status_code == status
        assert b"used it" not in page.content and str(connection.pk).encode() not in page.content


def test_many_calls_are_written_as_the_readers_language_writes_numbers(
    browser: Client, path: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MAX_ENTRIES", 1_234)
    store([_called(connection)] * 1_240)
    assert "At most the newest 1,234 are counted." in _section(browser.get(path), connection)
    shown = _section(browser.get(path, headers={"Accept-Language": "de"}), connection)
    assert "1.234 1.234" in shown and "Höchstens die neuesten 1.234" in shown


def test_pause_resume_and_disconnect_each_say_what_was_done(
    browser: Client, path: str, connection: Connection
) -> None:
    for action, status, words in (
        ("pause", Status.PAUSED, b"The connection is paused"),
        ("resume", Status.ACTIVE, b"works again"),
        ("disconnect", Status.DISCONNECTED, b"Nothing is connected"),
    ):
        reply = _act(browser, path, action, connection.pk)
        assert reply.status_code == 303  # type: ignore[attr-defined]
        connection.refresh_from_db()
        assert connection.status == status
        assert words in browser.get(reply["Location"]).content  # type: ignore[index]


def test_a_get_changes_nothing_whatever_it_asks(browser: Client, path: str, connection: Connection) -> None:
    browser.get(f"{path}?done=disconnect&action=disconnect&connection={connection.pk}")
    connection.refresh_from_db()
    assert connection.status == Status.ACTIVE


def test_disconnect_asks_first_without_javascript(browser: Client, path: str) -> None:
    text = browser.get(path).content.decode()
    before, _, inside = text.partition('<details class="confirm">')
    assert 'value="disconnect"' not in before
    assert 'value="disconnect"' in inside.partition("</details>")[0]


def test_reconnect_leads_to_a_fresh_confirm_page(browser: Client, path: str, connection: Connection) -> None:
    reply = _act(browser, path, "reconnect", connection.pk)
    assert reply.status_code == 303  # type: ignore[attr-defined]
    page = browser.get(reply["Location"])  # type: ignore[index]
    assert b"Reconnect HubSpot to Northwind CRM" in page.content


def test_con_14_a_customer_cannot_touch_anothers_connection(
    browser: Client, path: str, make_link: MakeLink, partner: Partner
) -> None:
    make_customer(partner, "other")
    other = make_active(make_link(foreign_identifier="other")[0])
    foreign = _act(browser, path, "disconnect", other.pk)
    unknown = _act(browser, path, "disconnect", uuid4())
    assert foreign.status_code == unknown.status_code == 404  # type: ignore[attr-defined]
    other.refresh_from_db()
    assert other.status == Status.ACTIVE


@pytest.mark.parametrize(("action", "named"), [("", True), ("delete", True), ("pause", False)])
def test_odd_forms_change_nothing(
    browser: Client, path: str, connection: Connection, action: str, named: bool
) -> None:
    reply = _act(browser, path, action, connection.pk if named else "\x00' OR 1")
    assert reply.status_code in {400, 404}  # type: ignore[attr-defined]
    connection.refresh_from_db()
    assert connection.status == Status.ACTIVE


def test_a_form_from_elsewhere_changes_nothing(browser: Client, path: str, connection: Connection) -> None:
    reply = browser.post(path, {"action": "disconnect", "connection": str(connection.pk)})
    assert reply.status_code == 403
    connection.refresh_from_db()
    assert connection.status == Status.ACTIVE


def test_an_expired_link_is_410_and_an_unknown_one_404(browser: Client, path: str) -> None:
    ManageLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert browser.get(path).status_code == 410
    assert browser.get("/manage/unknown").status_code == 404


def test_a_signed_reconnect_address_becomes_a_link_for_people_only(
    browser: Client, connection: Connection
) -> None:
    Connection.objects.update(status=Status.RECONNECT_REQUIRED)
    address = urlsplit(reconnect_url(connection)).path
    before = connection.connect_links.count()
    assert browser.get(address, headers={"Purpose": "prefetch"}).status_code == 204
    assert browser.head(address).status_code == 204
    assert connection.connect_links.count() == before
    reply = browser.get(address)
    assert reply.status_code == 302
    assert connection.connect_links.count() == before + 1
    assert b"Reconnect HubSpot" in browser.get(reply["Location"]).content


def test_a_reconnect_address_is_used_up_once_the_connection_works(
    browser: Client, connection: Connection
) -> None:
    Connection.objects.update(granted_scopes=connection.integration.required_scopes())
    before = connection.connect_links.count()
    reply = browser.get(urlsplit(reconnect_url(connection)).path, headers={"Accept": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (410, "link_used")
    assert connection.connect_links.count() == before


def test_a_provider_that_left_the_catalogue_does_not_spoil_the_page(
    browser: Client, path: str, connection: Connection
) -> None:
    Integration.objects.update(provider_id="gone")
    page = browser.get(path)
    assert page.status_code == 200
    assert b"Blue Bottle portal" not in page.content
