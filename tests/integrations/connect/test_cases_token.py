"""Known failures under *token*, from what a token endpoint answers to what is stored, sent and told."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Event
from integrations import connections, tokens
from integrations.connect import Finished
from integrations.connections import Adoption
from integrations.errors import InvalidInput, RefreshUnavailable
from integrations.models import AuthorizationAttempt, Connection
from integrations.models.connection import Status
from sealing import Secret
from tests import factories
from tests.factories import ACTOR, CLIENT_SECRET
from tests.integrations.connect.conftest import (
    Browser,
    MakeEntry,
    MakeIntegration,
    connection_of,
    link_to,
    state_of,
)
from tests.provider_server import Answer, ProviderServer

pytestmark = pytest.mark.django_db
TOKEN = "https://login.acme.example/token"
ME = "https://api.acme.example/me"


class Acme:
    """A made provider, one customer's attempt there, and what came of it."""

    def __init__(
        self, server: ProviderServer, browser: Browser, entry: MakeEntry, integration: MakeIntegration
    ) -> None:
        self.server = server
        self.browser = browser
        self._entry = entry
        self._integration = integration

    def answers(self, *answers: Any, **oauth: Any) -> Finished:
        """Go through the flow with these answers of the token endpoint and these changes to the entry."""
        self._entry("acme", **oauth)
        self.new = link_to(self._integration("acme-dev", "acme", ["read"]))
        url = self.browser.leave(self.new)
        self.server.on("POST", TOKEN, *answers)
        self.server.on("GET", ME, {"id": "account-1", "name": "Acme"})
        return self.browser.come_back(f"code=the-code&state={state_of(url)}", slug="acme-dev")

    def connected(self, *answers: Any, **oauth: Any) -> Connection:
        assert self.answers(*answers, **oauth).outcome == "connected"
        return self.connection

    @property
    def connection(self) -> Connection:
        return connection_of(self.new)

    def has_nothing(self) -> bool:
        row = self.connection
        return (row.status, row.access_token, row.refresh_token) == (Status.PENDING, None, None)


@pytest.fixture
def acme(
    provider_server: ProviderServer,
    browser: Browser,
    make_entry: MakeEntry,
    make_integration: MakeIntegration,
) -> Acme:
    return Acme(provider_server, browser, make_entry, make_integration)


def days_later(days: float) -> Callable[[], Any]:
    moment = timezone.now() + timedelta(days=days)
    return lambda: moment


def test_tok_02_a_token_without_end_or_refresh_token_is_used_until_the_provider_objects(acme: Acme) -> None:
    """Whatever lifetime the entry names as usual."""
    body = {"access_token": "gho_x", "scope": "repo", "token_type": "bearer"}
    made = acme.connected(body, lifetimes={"access_token_seconds": 3600})
    assert (made.access_token_expires_at, made.next_refresh_at) == (None, None)
    used = tokens.ensure_fresh(made.pk, clock=days_later(30))
    assert used.secret.reveal() == "gho_x"
    assert len(acme.server.received(TOKEN)) == 1
    assert acme.connection.status == Status.ACTIVE


@pytest.mark.parametrize(
    ("wire", "seconds"),
    [
        ('"soon"', None),
        ("null", None),
        ("-5", None),
        ("1e308", None),
        ("true", None),
        ("[]", None),
        ("3600.9", 3600),
        ('" 3600 "', 3600),
    ],
)
def test_tok_04_an_unusable_lifetime_counts_as_missing_and_is_logged(
    acme: Acme, caplog: pytest.LogCaptureFixture, wire: str, seconds: int | None
) -> None:
    made = acme.connected(f'{{"access_token": "a", "refresh_token": "r", "expires_in": {wire}}}')
    assert made.access_token_lifetime == seconds
    assert made.status == Status.ACTIVE
    assert ("odd token reply" in caplog.text) is (seconds is None)


def test_tok_05_zero_means_now_for_the_access_token_and_never_for_the_refresh_token(acme: Acme) -> None:
    made = acme.connected(
        {"access_token": "a", "expires_in": 0, "refresh_token": "r", "refresh_expires_in": 0},
        {"access_token": "a2", "expires_in": 3600},
    )
    assert made.access_token_expires_at == made.token_stored_at
    assert made.refresh_token_expires_at is None
    assert tokens.ensure_fresh(made.pk).secret.reveal() == "a2"
    assert acme.server.received(TOKEN)[1].form["refresh_token"] == "r"


def test_tok_07_a_form_is_read_and_json_was_asked_for(acme: Acme) -> None:
    body = Answer(
        "access_token=gho_x&scope=repo%2Cgist&token_type=bearer",
        content_type="application/x-www-form-urlencoded",
    )
    made = acme.connected(body, scope={"granted_separators": ","})
    assert acme.server.received(TOKEN)[0].header("Accept") == "application/json"
    assert tokens.open_tokens(made) == {"access_token": "gho_x"}
    assert made.granted_scopes == ["repo", "gist"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", '{"access_token": "a", "token_type": "bearer"}'),
        ("text/html; charset=utf-8", '\ufeff{"access_token": "a"}'),
        ("application/json", "access_token=a&token_type=bearer"),
    ],
)
def test_tok_08_an_answer_is_read_by_what_it_is(acme: Acme, content_type: str, body: str) -> None:
    made = acme.connected(Answer(body, content_type=content_type))
    assert tokens.open_tokens(made) == {"access_token": "a"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"error":"bad_verification_code","error_description":"…"}', "application/json"),
        ("error=bad_verification_code&error_description=x", "application/x-www-form-urlencoded"),
        ('{"access_token":"a","error":"bad_verification_code"}', "application/json"),
    ],
)
def test_tok_09_an_error_under_status_200_connects_nobody(acme: Acme, body: str, content_type: str) -> None:
    finished = acme.answers(Answer(body, content_type=content_type))
    assert (finished.outcome, finished.reason) == ("failed", "rejected")
    assert AuthorizationAttempt.objects.get().outcome_detail == "bad_verification_code"
    assert "bad_verification_code" in finished.sentence
    assert acme.has_nothing()


SLACK = {
    "token_paths": {
        "access_token": "authed_user.access_token",
        "token_type": "authed_user.token_type",
        "scope": "authed_user.scope",
    }
}


def test_tok_10_a_token_is_taken_from_where_the_entry_says_and_sent_as_bearer(acme: Acme) -> None:
    user = {"id": "U1", "access_token": "xoxp-1", "token_type": "user"}
    made = acme.connected({"ok": True, "authed_user": user}, **SLACK)
    assert tokens.open_tokens(made) == {"access_token": "xoxp-1"}
    (probe,) = acme.server.received(ME)
    assert probe.header("Authorization") == "Bearer xoxp-1"


def test_tok_10_not_ok_is_an_error(acme: Acme) -> None:
    finished = acme.answers({"ok": False, "error": "invalid_code"}, **SLACK)
    assert (finished.outcome, finished.reason) == ("failed", "rejected")
    assert AuthorizationAttempt.objects.get().outcome_detail == "invalid_code"
    assert acme.has_nothing()


@pytest.mark.parametrize(
    ("encoding", "field"),
    [
        ("form", "Basic bXkrYXBwJTJGMTpzJTJCZSUzRGMlM0FyJTI1dA=="),
        ("raw", "Basic bXkgYXBwLzE6cytlPWM6ciV0"),
    ],
)
def test_tok_14_odd_characters_in_basic_are_encoded_unless_the_entry_says_raw(
    acme: Acme, make_integration: MakeIntegration, encoding: str, field: str
) -> None:
    acme._entry("acme", token_endpoint_auth_method="client_secret_basic", basic_encoding=encoding)
    made = make_integration("acme-dev", "acme", ["read"])
    client = made.current_client()
    client.client_id, client.client_secret = "my app/1", Secret("s+e=c:r%t")
    client.save()
    url = acme.browser.leave(link_to(made))
    acme.server.on("POST", TOKEN, {"access_token": "a"})
    acme.server.on("GET", ME, {"id": "1"})
    assert acme.browser.come_back(f"code=c&state={state_of(url)}", slug="acme-dev").outcome == "connected"
    (call,) = acme.server.received(TOKEN)
    assert call.header("Authorization") == field
    assert "client_id" not in call.form and "client_secret" not in call.form


def test_tok_16_very_long_tokens_are_kept_and_sent_in_full(acme: Acme) -> None:
    access_token, refresh_token = "a" * 12_000, "r" * 6_000
    made = acme.connected(
        {"access_token": access_token, "refresh_token": refresh_token, "expires_in": 3600},
        {"access_token": "b", "expires_in": 3600},
    )
    assert tokens.open_tokens(made) == {"access_token": access_token, "refresh_token": refresh_token}
    assert acme.server.received(ME)[0].header("Authorization") == f"Bearer {access_token}"
    tokens.refresh_now(made.pk)
    assert acme.server.received(TOKEN)[1].form["refresh_token"] == refresh_token


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            Answer("<h1>Not here</h1>" + "x" * 900, status=404, content_type="text/html"),
            ["404", "text/html", "Not here"],
        ),
        (
            Answer(
                {"message": "Bad Request", "errors": [{"field": "client_id", "code": "invalid"}]}, status=400
            ),
            ["400", "errors.0.field client_id", "errors.0.code invalid"],
        ),
    ],
    ids=["page", "json"],
)
def test_tok_17_the_log_tells_the_real_cause_and_no_secret(
    acme: Acme, caplog: pytest.LogCaptureFixture, answer: Answer, told: list[str]
) -> None:
    assert acme.answers(answer).outcome == "failed"
    entries = [
        record.getMessage() for record in caplog.records if "token endpoint refused" in record.getMessage()
    ]
    assert len(entries) == 1
    assert all(word in entries[0] for word in told)
    assert "x" * 250 not in entries[0]
    (call,) = acme.server.received(TOKEN)
    for secret in (CLIENT_SECRET, call.form["code_verifier"], "the-code"):
        assert secret not in caplog.text
    assert acme.has_nothing()


def test_tok_19_a_reconnect_without_a_new_refresh_token_keeps_the_old_one(acme: Acme) -> None:
    acme.connected(
        {"access_token": "a1", "refresh_token": "r1", "expires_in": 3599},
        {"access_token": "a2", "expires_in": 3599},
    )
    url = acme.browser.leave(link_to(acme.new.link.integration))
    assert acme.browser.come_back(f"code=d&state={state_of(url)}", slug="acme-dev").outcome == "connected"
    assert tokens.open_tokens(acme.connection) == {"access_token": "a2", "refresh_token": "r1"}
    assert acme.connection.next_refresh_at is not None


@pytest.mark.parametrize(
    "body",
    [
        {"access_token": "a", "refresh_token": None, "id_token": None, "scope": None},
        {"access_token": "a", "refresh_token": ""},
        {"access_token": "a", "refresh_token": "   "},
    ],
)
def test_tok_20_null_and_empty_members_are_absent(acme: Acme, body: dict[str, Any]) -> None:
    made = acme.connected(body)
    assert (made.refresh_token, made.granted_scopes) == (None, [])
    assert tokens.open_tokens(made) == {"access_token": "a"}


def _adoption(**told: Any) -> Adoption:
    return Adoption(foreign_identifier="imported", access_token="a", refresh_token="r", **told)


def test_tok_21_an_import_that_says_never_is_never_refreshed(
    acme: Acme, make_integration: MakeIntegration
) -> None:
    acme._entry("acme", lifetimes={"access_token_seconds": 3600})
    made = make_integration("acme-dev", "acme", ["read"])
    partner = factories.partner()
    with pytest.raises(InvalidInput) as refused:
        connections.adopt(partner, made, _adoption(), actor=ACTOR)
    assert refused.value.field == "expiresIn"
    assert not Connection.objects.exists()
    adopted = connections.adopt(partner, made, _adoption(never_expires=True), actor=ACTOR)
    assert tokens.ensure_fresh(adopted.pk, clock=days_later(400)).secret.reveal() == "a"
    assert adopted.next_refresh_at is None
    assert acme.server.requests == []


@pytest.mark.parametrize(("token", "stored"), [("tok\n", "tok"), (" tok ", "tok"), ("to\r\nX-Evil: 1", None)])
def test_tok_22_white_space_around_an_imported_token_goes_and_line_ends_in_it_are_refused(
    acme: Acme, make_integration: MakeIntegration, token: str, stored: str | None
) -> None:
    acme._entry("acme")
    made = make_integration("acme-dev", "acme", ["read"])
    adoption = Adoption(foreign_identifier="imported", access_token=token, expires_in=1800)
    if stored is None:
        with pytest.raises(InvalidInput) as refused:
            connections.adopt(factories.partner(), made, adoption, actor=ACTOR)
        assert refused.value.field == "accessToken"
        assert not Connection.objects.exists()
    else:
        adopted = connections.adopt(factories.partner(), made, adoption, actor=ACTOR)
        assert tokens.open_tokens(adopted) == {"access_token": stored}


@pytest.mark.parametrize("status", [302, 307])
def test_tok_23_a_redirect_of_the_token_endpoint_is_followed_neither_at_connect_nor_at_refresh(
    acme: Acme, status: int
) -> None:
    redirect = Answer(status=status, headers={"Location": "https://other.example/token"})
    acme.server.on("POST", "https://other.example/token", {"access_token": "stolen"})
    acme.server.on("GET", "https://other.example/token", {"access_token": "stolen"})
    made = acme.connected({"access_token": "a", "refresh_token": "r", "expires_in": 3600}, redirect)
    before = tokens.open_tokens(made)
    with pytest.raises(RefreshUnavailable):
        tokens.refresh_now(made.pk)
    assert acme.connection.status == Status.ACTIVE
    assert tokens.open_tokens(acme.connection) == before
    url = acme.browser.leave(link_to(acme.new.link.integration, "customer-2"))
    finished = acme.browser.come_back(f"code=d&state={state_of(url)}", slug="acme-dev")
    assert (finished.outcome, finished.reason) == ("failed", "misconfigured")
    assert acme.server.received("https://other.example/token") == []


def test_tok_24_an_endless_answer_is_cut_off_and_costs_little_memory(acme: Acme) -> None:
    endless = Answer('{"access_token": "late"}', padding_bytes=200_000_000)
    acme.connected({"access_token": "a"})  # what is loaded once is loaded now
    url = acme.browser.leave(link_to(acme.new.link.integration, "customer-2"))
    acme.server.on("POST", TOKEN, endless)
    tracemalloc.start()
    try:
        finished = acme.browser.come_back(f"code=d&state={state_of(url)}", slug="acme-dev")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (finished.outcome, finished.reason) == ("failed", "bad_response")
    assert peak < 5_000_000
    assert acme.server.sent_bytes < 20_000_000


def test_tok_25_what_cannot_be_renewed_is_told_at_once_with_its_end(acme: Acme) -> None:
    finished = acme.answers({"access_token": "a", "expires_in": 3600}, expects_refresh_token=True)
    made = acme.connection
    assert (finished.outcome, made.status, made.status_reason) == ("connected", "active", "no_refresh_token")
    assert "limited time" in finished.warning
    (event,) = Event.objects.filter(type="connection.created")
    assert event.data["refreshable"] is False
    assert event.data["accessTokenExpiresAt"] is not None
    assert event.data["statusReason"]["code"] == "no_refresh_token"
