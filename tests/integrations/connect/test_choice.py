"""A consent that covers several accounts: one is chosen, by the browser that gave it, and it alone is connected."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Event
from integrations import connect, connections, tokens
from integrations.connect import choice as choices
from integrations.connect import completion, granted
from integrations.errors import CallbackRefused, ConnectionNotFound, InvalidInput, ReconnectRequired
from integrations.models import AuthorizationAttempt, Connection
from integrations.models.connection import Status
from tests.factories import ACTOR
from tests.integrations.connect.conftest import (
    Browser,
    MakeEntry,
    MakeIntegration,
    Web,
    connection_of,
    link_to,
    outcome_of,
    state_of,
)
from tests.provider_server import Answer, ProviderServer

pytestmark = pytest.mark.django_db
TOKEN, LIST = "https://login.acme.example/token", "https://api.acme.example/connections"
REVOKE = "https://login.acme.example/revoke"
ALPHA = {"tenantId": "t-1", "tenantName": "Alpha <Ltd>", "id": "c-1"}
BETA = {"tenantId": "t-2", "tenantName": "Beta GmbH", "id": "c-2"}


class Acme:
    """A provider of several organisations, and one customer's walk."""

    def __init__(
        self, server: ProviderServer, entry: MakeEntry, integration: MakeIntegration, accounts: list[Any]
    ) -> None:
        probe = {
            "url": LIST,
            "items": "$",
            "account_id": "tenantId",
            "name": "tenantName",
            "extras": {"tenant_id": "tenantId", "link_id": "id"},
        }
        entry("acme", identity=[probe], revocation={"url": REVOKE})
        self.server = server
        server.on("POST", TOKEN, {"access_token": "a-1", "refresh_token": "r-1", "expires_in": 3600})
        server.on("GET", LIST, accounts)
        server.on("POST", REVOKE, {})
        self.new = link_to(integration("acme-dev", "acme", ["read"]))

    def come_back(self, browser: Browser) -> connect.Finished:
        state = state_of(browser.leave(self.new))
        return browser.come_back(f"code=c&state={state}", slug="acme-dev")

    @property
    def connection(self) -> Connection:
        return connection_of(self.new)


MakeAcme = Any


@pytest.fixture
def acme_of(
    provider_server: ProviderServer, make_entry: MakeEntry, make_integration: MakeIntegration
) -> MakeAcme:
    return lambda *accounts: Acme(provider_server, make_entry, make_integration, list(accounts))


def choose(finished: connect.Finished, account: str, browser: Browser, *, slug: str = "acme-dev") -> Any:
    return connect.choose(slug, str(finished.attempt_id), account, browser_secret=browser.secret)


def test_nothing_is_connected_before_one_is_chosen(acme_of: MakeAcme, browser: Browser) -> None:
    acme = acme_of(ALPHA, BETA)
    finished = acme.come_back(browser)
    assert (finished.outcome, finished.connection) == ("choosing", None)
    assert [each.name for each in finished.accounts] == ["Alpha <Ltd>", "Beta GmbH"]
    assert acme.connection.status == Status.PENDING
    with pytest.raises(ConnectionNotFound):
        tokens.ensure_fresh(acme.connection.pk)
    assert connect.link_status(acme.new.link)["status"] in ("pending", "opened")
    assert not Event.objects.exists()


def test_the_chosen_one_is_connected_with_what_tells_it_apart(acme_of: MakeAcme, browser: Browser) -> None:
    acme = acme_of(ALPHA, BETA)
    finished = choose(acme.come_back(browser), "t-2", browser)
    assert (finished.outcome, finished.account_name) == ("connected", "Beta GmbH")
    row = acme.connection
    assert (row.status, row.provider_account_id, row.is_identity_known) == (Status.ACTIVE, "t-2", True)
    assert row.provider_account_data == {"tenant_id": "t-2", "link_id": "c-2"}
    assert tokens.ensure_fresh(row.pk).secret.reveal() == "a-1"
    assert [event.type for event in Event.objects.all()] == ["connection.created"]
    assert AuthorizationAttempt.objects.get().choice is None


def test_what_the_chosen_one_lacks_is_not_taken_from_the_first(acme_of: MakeAcme, browser: Browser) -> None:
    """Else its calls would name the account that was not chosen."""
    acme = acme_of(ALPHA, {"tenantId": "t-2", "tenantName": "Beta GmbH"})
    assert choose(acme.come_back(browser), "t-2", browser).outcome == "connected"
    assert acme.connection.provider_account_data == {"tenant_id": "t-2"}


def test_choosing_twice_shows_the_first_choice(acme_of: MakeAcme, browser: Browser) -> None:
    acme = acme_of(ALPHA, BETA)
    parked = acme.come_back(browser)
    choose(parked, "t-1", browser)
    again = choose(parked, "t-2", browser)
    assert (again.outcome, again.is_repeat, again.account_name) == ("connected", True, "Alpha <Ltd>")
    assert acme.connection.provider_account_id == "t-1"


def test_one_account_listed_twice_is_no_choice(acme_of: MakeAcme, browser: Browser) -> None:
    """As Atlassian lists a site once for each of its products."""
    acme = acme_of(ALPHA, ALPHA)
    assert acme.come_back(browser).outcome == "connected"
    assert acme.connection.provider_account_id == "t-1"


@pytest.mark.parametrize("account", ["", "t-3", "t-1 ", "T-1"])
def test_an_account_that_was_not_offered_is_refused_and_may_be_chosen_again(
    acme_of: MakeAcme, browser: Browser, account: str
) -> None:
    acme = acme_of(ALPHA, BETA)
    parked = acme.come_back(browser)
    with pytest.raises(InvalidInput) as refused:
        choose(parked, account, browser)
    assert refused.value.field == "account"
    assert choose(parked, "t-1", browser).outcome == "connected"


def test_another_browser_address_or_attempt_chooses_nothing(acme_of: MakeAcme, browser: Browser) -> None:
    acme = acme_of(ALPHA, BETA)
    parked = acme.come_back(browser)
    for other, slug, attempt in (
        (connect.new_browser_secret(), "acme-dev", str(parked.attempt_id)),
        (None, "acme-dev", str(parked.attempt_id)),
        (browser.secret, "other-dev", str(parked.attempt_id)),
        (browser.secret, "acme-dev", "00000000-0000-4000-8000-000000000000"),
        (browser.secret, "acme-dev", "no id"),
    ):
        with pytest.raises(CallbackRefused):
            connect.choose(slug, attempt, "t-1", browser_secret=other)
    assert acme.connection.status == Status.PENDING


def test_a_second_consent_takes_the_place_of_the_first(acme_of: MakeAcme, browser: Browser) -> None:
    acme = acme_of(ALPHA, BETA)
    first = acme.come_back(browser)
    acme.server.on("POST", TOKEN, {"access_token": "a-2", "refresh_token": "r-2", "expires_in": 3600})
    second = acme.come_back(browser)
    stale = choose(first, "t-1", browser)
    assert (stale.outcome, stale.reason) == ("failed", "link_used")
    assert choose(second, "t-2", browser).outcome == "connected"
    assert tokens.ensure_fresh(acme.connection.pk).secret.reveal() == "a-2"


def test_con_15_a_reconnect_goes_to_the_account_that_was_chosen_before(
    acme_of: MakeAcme, browser: Browser
) -> None:
    acme = acme_of(ALPHA, BETA)
    choose(acme.come_back(browser), "t-2", browser)
    link = connect.create_link(
        acme.new.link.partner,
        acme.new.link.integration,
        connect.LinkRequest(foreign_identifier="customer-1"),
        actor=ACTOR,
    )
    state = state_of(browser.leave(link))
    finished = browser.come_back(f"code=c&state={state}", slug="acme-dev")
    assert (finished.outcome, finished.account_name) == ("connected", "Beta GmbH")


def test_an_account_is_not_chosen_by_a_job_when_the_look_up_failed_at_first(
    acme_of: MakeAcme, browser: Browser
) -> None:
    acme = acme_of(ALPHA, BETA)
    acme.server.on("GET", LIST, Answer({}, status=503), [ALPHA, BETA])
    finished = acme.come_back(browser)
    assert (finished.outcome, acme.connection.status_reason) == ("connected", "identity_unknown")
    assert not connections.complete_identity(acme.connection)
    assert acme.connection.provider_account_id == ""


def test_an_account_is_not_chosen_by_a_check(acme_of: MakeAcme, browser: Browser) -> None:
    acme = acme_of(ALPHA, BETA)
    acme.server.on("GET", LIST, Answer({}, status=503), [ALPHA, BETA])
    acme.come_back(browser)
    assert connections.check(acme.connection).provider_account_id == ""


def test_what_is_not_chosen_in_time_is_given_back(acme_of: MakeAcme, browser: Browser) -> None:
    acme = acme_of(ALPHA, BETA)
    parked = acme.come_back(browser)
    assert connect.drop_old_choices() == 0
    AuthorizationAttempt.objects.update(finished_at=timezone.now() - timedelta(minutes=31))
    with pytest.raises(CallbackRefused) as refused:
        choose(parked, "t-1", browser)
    assert refused.value.reason == "expired"
    assert connect.drop_old_choices() == 1
    row = acme.connection
    assert (row.access_token, row.refresh_token, row.status) == (None, None, Status.PENDING)
    assert [request.form["token"] for request in acme.server.received(REVOKE)] == ["r-1"]
    attempt = AuthorizationAttempt.objects.get()
    assert (attempt.outcome, attempt.outcome_reason, attempt.choice) == ("failed", "not_chosen", None)
    assert connect.drop_old_choices() == 0


def later() -> None:
    """The time to choose is over."""
    AuthorizationAttempt.objects.update(finished_at=timezone.now() - timedelta(minutes=31))


def revoked(acme: Acme) -> list[str]:
    return [request.form["token"] for request in acme.server.received(REVOKE)]


def reconnect_link(acme: Acme) -> connect.NewLink:
    link = acme.new.link
    request = connect.LinkRequest(foreign_identifier="customer-1")
    return connect.create_link(link.partner, link.integration, request, actor=ACTOR)


def test_a_choice_that_cannot_be_stored_keeps_nothing(acme_of: MakeAcme, browser: Browser) -> None:
    acme = acme_of(ALPHA, BETA)
    parked = acme.come_back(browser)
    connect.revoke_link(acme.new.link, actor=ACTOR)
    finished = choose(parked, "t-1", browser)
    assert (finished.outcome, finished.reason) == ("failed", "link_revoked")
    row = acme.connection
    assert (row.access_token, row.refresh_token, row.status) == (None, None, Status.PENDING)
    assert revoked(acme) == ["r-1"]
    assert AuthorizationAttempt.objects.get().choice is None


def test_a_link_that_was_taken_back_brings_no_grant_to_choose_from(
    acme_of: MakeAcme, browser: Browser
) -> None:
    acme = acme_of(ALPHA, BETA)
    state = state_of(browser.leave(acme.new))
    connect.revoke_link(acme.new.link, actor=ACTOR)
    finished = browser.come_back(f"code=c&state={state}", slug="acme-dev")
    assert (finished.outcome, finished.reason) == ("failed", "link_revoked")
    assert (acme.connection.access_token, revoked(acme)) == (None, ["r-1"])


@pytest.mark.parametrize("chosen", ["t-1", "t-2"])
def test_a_late_consent_does_not_take_the_place_of_what_was_chosen(
    acme_of: MakeAcme, browser: Browser, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """Both began with one link; the accounts of the second are being listed while the first is chosen from."""
    acme = acme_of(ALPHA, BETA)
    first = acme.come_back(browser)
    state = state_of(browser.leave(acme.new))
    acme.server.on("POST", TOKEN, {"access_token": "a-2", "refresh_token": "r-2", "expires_in": 3600})
    look_up = granted.look_up

    def slow(*arguments: Any, **named: Any) -> Any:
        found = look_up(*arguments, **named)
        choose(first, chosen, browser)
        return found

    monkeypatch.setattr(granted, "look_up", slow)
    assert browser.come_back(f"code=c&state={state}", slug="acme-dev").outcome == "failed"
    later()
    connect.drop_old_choices()
    row = acme.connection
    assert (row.status, row.provider_account_id) == (Status.ACTIVE, chosen)
    assert tokens.ensure_fresh(row.pk).secret.reveal() == "a-1"


def test_of_two_answers_at_once_the_first_counts(acme_of: MakeAcme, browser: Browser) -> None:
    acme = acme_of(ALPHA, BETA)
    parked = acme.come_back(browser)
    related = ("link__integration", "link__connection__customer", "link__partner", "client__integration")
    second = AuthorizationAttempt.objects.select_related(*related).get()
    choose(parked, "t-1", browser)
    choice = choices.from_json(second.choice or {})
    completion.complete_choice(second, choice.identity.of(choice.accounts[1]), token_version=1)
    assert (AuthorizationAttempt.objects.get().outcome, revoked(acme)) == ("connected", [])
    assert acme.connection.provider_account_id == "t-1"
    assert tokens.ensure_fresh(acme.connection.pk).secret.reveal() == "a-1"


def test_a_connection_of_an_unknown_account_is_not_used_until_one_is_chosen(
    acme_of: MakeAcme, browser: Browser
) -> None:
    acme = acme_of(ALPHA, BETA)
    acme.server.on("GET", LIST, Answer({}, status=503), [ALPHA, BETA])
    assert acme.come_back(browser).outcome == "connected"
    state = state_of(browser.leave(reconnect_link(acme)))
    parked = browser.come_back(f"code=c&state={state}", slug="acme-dev")
    assert parked.outcome == "choosing"
    with pytest.raises(ReconnectRequired):
        tokens.ensure_fresh(acme.connection.pk)
    assert choose(parked, "t-2", browser).outcome == "connected"
    assert tokens.ensure_fresh(acme.connection.pk).secret.reveal() == "a-1"
    told = [event.type for event in Event.objects.order_by("occurred_at")]
    assert told == ["connection.created", "connection.reconnect_required", "connection.recovered"]


def test_a_connection_from_whose_accounts_none_was_chosen_asks_for_its_customer(
    acme_of: MakeAcme, browser: Browser
) -> None:
    acme = acme_of(ALPHA, BETA)
    acme.server.on("GET", LIST, Answer({}, status=503), [ALPHA, BETA])
    acme.come_back(browser)
    browser.come_back(f"code=c&state={state_of(browser.leave(reconnect_link(acme)))}", slug="acme-dev")
    later()
    connect.drop_old_choices()
    row = acme.connection
    assert (row.status, row.access_token) == (Status.RECONNECT_REQUIRED, None)


def test_the_page_lists_the_accounts_and_ends_with_the_result(acme_of: MakeAcme, web: Web) -> None:
    acme = acme_of(ALPHA, BETA)
    page = web.come_back(f"code=c&state={state_of(web.leave(acme.new))}", slug="acme-dev")
    assert outcome_of(page) == "choosing"
    text = page.content.decode()
    assert "Alpha &lt;Ltd&gt;" in text and "Beta GmbH" in text
    assert "a-1" not in text and "r-1" not in text
    form = dict(re.findall(r'name="(csrfmiddlewaretoken|attempt)" value="([^"]+)"', text))
    nothing = web.client.post("/oauth/acme-dev/choose", form)
    assert nothing.status_code == 400 and "Choose one of the accounts" in nothing.content.decode()
    form = dict(re.findall(r'name="(csrfmiddlewaretoken|attempt)" value="([^"]+)"', nothing.content.decode()))
    chosen = web.client.post("/oauth/acme-dev/choose", {**form, "account": "t-2"})
    assert outcome_of(chosen) == "connected"
    assert acme.connection.provider_account_id == "t-2"


def test_the_page_asks_for_its_token_and_its_method(acme_of: MakeAcme, web: Web) -> None:
    acme = acme_of(ALPHA, BETA)
    web.come_back(f"code=c&state={state_of(web.leave(acme.new))}", slug="acme-dev")
    attempt = AuthorizationAttempt.objects.get()
    form = {"attempt": str(attempt.pk), "account": "t-1"}
    assert web.client.post("/oauth/acme-dev/choose", form).status_code == 403
    assert Client().post("/oauth/acme-dev/choose", form).status_code == 400, "nobody's browser"
    assert web.client.get("/oauth/acme-dev/choose").status_code == 405
    assert acme.connection.status == Status.PENDING


def test_programs_get_the_accounts_as_json(acme_of: MakeAcme, web: Web) -> None:
    acme = acme_of(ALPHA, BETA)
    query = f"code=c&state={state_of(web.leave(acme.new))}"
    told = web.come_back(query, slug="acme-dev", accept="application/json").json()
    assert told["status"] == "choosing"
    assert told["accounts"] == [{"id": "t-1", "name": "Alpha <Ltd>"}, {"id": "t-2", "name": "Beta GmbH"}]
