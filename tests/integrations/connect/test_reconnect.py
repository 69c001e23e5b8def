"""Connecting again: what is asked for, what the customer is shown, and the account it must be."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts.models import AuditEntry, Event
from integrations import connect, scope_plan, setup, tokens
from integrations.connect import NewLink
from integrations.errors import LinkUnusable
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.representation import connection_data, reconnect_url
from tests.factories import ACTOR, CLIENT_ID, CLIENT_SECRET, OPTIONAL_SCOPES, SCOPES, World
from tests.integrations.connect.conftest import (
    ENTERPRISE,
    STARTER,
    Browser,
    MakeLink,
    Web,
    connection_of,
    outcome_of,
    parameters,
)

NEW = "tickets"
NEW_OPTIONAL = "forms"
REVOKE = "/_control/requests?path=/oauth/2026-09/token/revoke"


def set_scopes(world: World, required: Any, optional: Any = ()) -> None:
    values = setup.IntegrationValues(
        client_id=CLIENT_ID, app_id="1160452", required_scopes=list(required), optional_scopes=list(optional)
    )
    setup.update(world.integration, values, actor=ACTOR)


def widen(world: World, sandbox: Any) -> None:
    """Staff add a required and an optional scope, here and at HubSpot."""
    required, optional = [*SCOPES, NEW], [*OPTIONAL_SCOPES, NEW_OPTIONAL]
    set_scopes(world, required, optional)
    app = {
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
        "redirectUrls": [world.integration.redirect_uri],
    }
    sandbox.control("POST", "/_control/apps", {**app, "scopes": required, "optionalScopes": optional})


def row(new: NewLink) -> Connection:
    return Connection.objects.select_related("integration", "customer", "partner").get(
        pk=new.link.connection_id
    )


def reopened(connection: Connection) -> str:
    """The path of the confirm page behind a connection's reconnect URL."""
    return connect.open_reconnect(reconnect_url(connection).rsplit("/", 1)[1])


def authorization_url(path: str, browser: Browser) -> str:
    link = connect.find_link(path.rsplit("/", 1)[1])
    return connect.start(link, browser_secret=browser.secret, values={}).authorization_url


def asked(url: str) -> tuple[set[str], set[str]]:
    """(required, optional) as HubSpot gets them."""
    query = parameters(url)
    return tuple(set(query.get(name, [""])[0].split()) for name in ("scope", "optional_scope"))  # type: ignore[return-value]  # two names, two sets


# --- widening -----------------------------------------------------------------------------------------------
def test_widening_is_told_by_the_api_and_cured_by_the_reconnect_url(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    new = make_link()
    browser.walk(new)
    made = row(new)
    assert connection_data(made)["missingScopes"] == []
    assert "reconnectUrl" not in connection_data(made)

    widen(world, at_sandbox)
    data = connection_data(row(new))
    assert (data["status"], data["missingScopes"]) == ("active", [NEW])
    assert data["reconnectUrl"]
    assert scope_plan.plan(world.integration).lacks_required == 1
    assert tokens.refresh_now(made.pk).status == Status.ACTIVE  # what was granted works on

    url = authorization_url(reopened(made), browser)
    assert asked(url) == ({*SCOPES, NEW}, {*OPTIONAL_SCOPES, NEW_OPTIONAL})
    assert browser.come_back(browser.consent(url)).outcome == "connected"
    again = row(new)
    assert again.pk == made.pk
    assert connection_data(again)["missingScopes"] == []
    assert "reconnectUrl" not in connection_data(again)
    assert NEW in again.granted_scopes
    assert scope_plan.plan(world.integration).lacks_required == 0
    with pytest.raises(LinkUnusable):
        reopened(again)


def test_an_optional_scope_that_is_added_asks_nobody_back(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    new = make_link()
    browser.walk(new)
    set_scopes(world, SCOPES, [*OPTIONAL_SCOPES, NEW_OPTIONAL])
    data = connection_data(row(new))
    assert data["missingScopes"] == []
    assert "reconnectUrl" not in data


def test_a_reconnect_asks_for_what_its_own_link_required_too(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    """Optional for others: the union loses nothing."""
    extra = OPTIONAL_SCOPES[0]
    new = make_link(scopes=[*SCOPES, extra])
    browser.walk(new)
    Connection.objects.update(status=Status.RECONNECT_REQUIRED)
    required, optional = asked(authorization_url(reopened(row(new)), browser))
    assert required == {*SCOPES, extra}
    assert optional == {OPTIONAL_SCOPES[1]}


def test_con_06_a_reconnect_does_not_ask_for_what_staff_took_out(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    new = make_link(scopes=[*SCOPES, *OPTIONAL_SCOPES])
    browser.walk(new)
    set_scopes(world, SCOPES[:2])
    Connection.objects.update(status=Status.RECONNECT_REQUIRED)
    assert asked(authorization_url(reopened(row(new)), browser)) == (set(SCOPES[:2]), set())


def test_an_integration_with_very_many_scopes_can_be_reconnected(
    make_link: MakeLink, browser: Browser, world: World
) -> None:
    many = [f"scope.{number}" for number in range(400)]
    new = make_link()
    set_scopes(world, ["oauth"], many)
    Connection.objects.update(status=Status.RECONNECT_REQUIRED)
    _, optional = asked(authorization_url(reopened(row(new)), browser))
    assert optional == set(many)


# --- what the customer is shown -----------------------------------------------------------------------------
def page_of(path: str, language: str = "en") -> str:
    headers = {"Accept": "text/html", "Accept-Language": language}
    return Client(headers=headers).get(path).content.decode()


def test_the_confirm_page_marks_what_is_new(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    new = make_link()
    assert '<span class="tag">new</span>' not in page_of(
        urlsplit(new.url).path
    )  # at first all of it would be
    browser.walk(new)
    assert '<span class="tag">new</span>' not in page_of(urlsplit(make_link().url).path)
    widen(world, at_sandbox)
    page = page_of(reopened(row(new)))
    assert page.count('<span class="tag">new</span>') == 2
    assert "What is marked as new was not part of your agreement before." in page
    meaning = world.integration.provider.scope_by_name(NEW)
    assert meaning is not None
    marked = next(line for line in page.splitlines() if ">new</span>" in line and "optional" not in line)
    assert meaning.meaning in marked


@pytest.mark.parametrize(
    ("language", "word"), [("de", "neu"), ("fr", "nouveau"), ("es", "nuevo"), ("ja", "新規")]
)
def test_the_mark_is_in_the_customers_language(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World, language: str, word: str
) -> None:
    new = make_link()
    browser.walk(new)
    widen(world, at_sandbox)
    assert f'<span class="tag">{word}</span>' in page_of(reopened(row(new)), language)


# --- another account ----------------------------------------------------------------------------------------
def test_con_15_another_account_is_stopped_explained_and_given_back(
    at_sandbox: Any, make_link: MakeLink, web: Web, browser: Browser
) -> None:
    new = make_link()
    browser.walk(new)
    before = connection_of(new)
    told = Event.objects.count()
    link = make_link()
    page = web.come_back(browser.consent(web.leave(link), hub_id=ENTERPRISE))
    assert outcome_of(page) == "failed"
    text = page.content.decode()
    assert "You chose another account than the one that was connected before." in text
    assert before.provider_account_name in text
    assert urlsplit(link.url).path in text or "again" in text.lower()

    assert Event.objects.count() == told  # nothing changed for the partner; the link says why
    assert connect.link_status(connect.find_link(urlsplit(link.url).path.rsplit("/", 1)[1]))["reason"] == (
        "account_mismatch"
    )
    entry = AuditEntry.objects.get(action="connect.failed")
    assert entry.changes["reason"] == "account_mismatch"
    assert len(at_sandbox.control("GET", REVOKE)) == 1
    rows = at_sandbox.control("GET", "/_control/state")["refreshTokens"]
    assert [token["hubId"] for token in rows] == [STARTER]
    assert tokens.refresh_now(before.pk).status == Status.ACTIVE

    page = web.come_back(browser.consent(web.leave(link), hub_id=STARTER))  # the link is not spent
    assert outcome_of(page) == "connected"


def test_con_15_the_wrong_account_s_own_connection_lives_on(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    mine, theirs = make_link("mine"), make_link("theirs")
    browser.walk(mine)
    browser.walk(theirs, hub_id=ENTERPRISE)
    assert browser.walk(make_link("mine"), hub_id=ENTERPRISE).reason == "account_mismatch"
    assert tokens.refresh_now(theirs.link.connection_id).status == Status.ACTIVE


def test_con_15_nothing_is_given_back_that_would_end_the_wrong_account_s_own_connection(
    ends_accounts: None, at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    mine, theirs = make_link("mine"), make_link("theirs")
    browser.walk(mine)
    browser.walk(theirs, hub_id=ENTERPRISE)
    assert browser.walk(make_link("mine"), hub_id=ENTERPRISE).reason == "account_mismatch"
    assert at_sandbox.control("GET", REVOKE) == []
