"""A key that the customer types: SendGrid's, from the command that makes the integration to a call of the API."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import connections, tokens
from integrations.connect import typed
from integrations.connections.adoption import Adoption
from integrations.errors import InvalidInput, ProviderUnavailable, ReconnectRequired
from integrations.models import AuthorizationAttempt, Connection
from integrations.models.connection import Status
from tests import factories
from tests.factories import ACTOR
from tests.integrations.kinds.conftest import MakeVisitor, Visitor
from tests.provider_server import Answer
from tests.proxy.servers import Served

KEY = "SG.aaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
OTHER_KEY = "SG.cccccccccccccccccccccc.ddddddddddddddddddddddddddddddddddddddddddd"
SCOPES = "https://api.sendgrid.com/v3/scopes"
USERNAME = "https://api.sendgrid.com/v3/user/username"


@pytest.fixture
def sendgrid(visitor: MakeVisitor) -> Visitor:
    made = visitor("sendgrid")
    made.server.on("GET", SCOPES, {"scopes": ["mail.send"]})
    made.server.on("GET", USERNAME, {"username": "acme-mail", "user_id": 4711})
    return made


def test_the_page_asks_for_the_key_and_says_where_it_is(sendgrid: Visitor) -> None:
    page = sendgrid.look()
    (found,) = re.findall(r"<input[^>]*name=\"secret-api_key\"[^>]*>", page)
    assert 'type="password"' in found and 'autocomplete="off"' in found and "value=" not in found
    assert "SendGrid &gt; Settings &gt; API Keys" in page
    assert "Connect SendGrid" in page and "Continue to SendGrid" not in page
    assert "never sees your password" not in page


def test_a_key_is_tried_kept_sealed_and_used(sendgrid: Visitor, platform: Served, logs: Any) -> None:
    reply = sendgrid.send(secret_api_key=f"  {KEY}\n")
    assert reply.status_code == 200 and 'data-outcome="connected"' in sendgrid.pages[-1]
    (probe,) = sendgrid.server.received(SCOPES)
    assert probe.header("Authorization") == f"Bearer {KEY}"
    made = sendgrid.connection()
    assert (made.status, made.provider_account_id, made.provider_account_name) == (
        Status.ACTIVE,
        "4711",
        "acme-mail",
    )
    assert (made.refresh_token, made.next_refresh_at, made.access_token_expires_at) == (None, None, None)
    assert tokens.open_tokens(made) == {"access_token": KEY}
    assert [event.type for event in Event.objects.all()] == ["connection.created"]
    assert AuditEntry.objects.filter(action="connection.connected").count() == 1

    sendgrid.server.on("POST", "https://api.sendgrid.com/v3/mail/send", {"ok": True})
    auth = {"Authorization": f"Bearer {sendgrid.at.api_key}"}
    sent = platform.call("POST", "/proxy/kind-dev/cust/v3/mail/send", auth)
    assert (sent.status, sent.body) == (200, b'{"ok": true}')
    (call,) = sendgrid.server.received("https://api.sendgrid.com/v3/mail/send")
    assert call.header("Authorization") == f"Bearer {KEY}"
    assert KEY not in sendgrid.traces() + logs()


def test_a_key_that_the_provider_refuses_is_told_and_not_shown_again(sendgrid: Visitor, logs: Any) -> None:
    sendgrid.server.on("GET", SCOPES, Answer({"errors": []}, status=401))
    reply = sendgrid.send(secret_api_key=KEY)
    assert reply.status_code == 400
    assert "SendGrid does not accept these values." in sendgrid.pages[-1]
    attempt = AuthorizationAttempt.objects.get()
    assert (attempt.outcome, attempt.outcome_reason) == ("failed", "refused")
    assert Connection.objects.get().status == Status.PENDING
    assert KEY not in sendgrid.traces() + logs()
    sendgrid.server.on("GET", SCOPES, {"scopes": []})
    assert 'data-outcome="connected"' in sendgrid.send(secret_api_key=OTHER_KEY).content.decode()


@pytest.mark.parametrize("answer", [Answer(status=503), Answer(is_dropped=True), Answer(status=429)])
def test_a_provider_that_cannot_be_asked_is_no_refusal(sendgrid: Visitor, answer: Answer) -> None:
    sendgrid.server.on("GET", SCOPES, answer)
    assert sendgrid.send(secret_api_key=KEY).status_code == 400
    assert "could not be reached just now" in sendgrid.pages[-1]


@pytest.mark.parametrize(
    ("typed_value", "sentence"),
    [("", "Please fill this in."), ("SG.short", "This must look like SG."), ("SG.\x00", "cannot be used")],
    ids=["empty", "another shape", "control character"],
)
def test_a_value_of_the_wrong_shape_is_told_beside_it_and_asks_nobody(
    sendgrid: Visitor, typed_value: str, sentence: str
) -> None:
    assert sendgrid.send(secret_api_key=typed_value).status_code == 400
    page = sendgrid.pages[-1]
    assert sentence in page and 'aria-invalid="true"' in page and 'id="error-secret-api_key"' in page
    assert not AuthorizationAttempt.objects.exists() and not sendgrid.server.requests


def test_a_restricted_key_connects_without_a_name(sendgrid: Visitor) -> None:
    sendgrid.server.on("GET", USERNAME, Answer(status=403))
    assert 'data-outcome="connected"' in sendgrid.send(secret_api_key=KEY).content.decode()
    assert sendgrid.connection().provider_account_id == ""


def test_another_link_of_the_connection_gives_no_more_tries(sendgrid: Visitor) -> None:
    """Whoever holds the signed address for a reconnect makes as many links as he likes."""
    sendgrid.server.on("GET", SCOPES, Answer(status=401))
    for _ in range(typed.MOST_TRIES):
        sendgrid.link()
        assert sendgrid.send(secret_api_key=KEY).status_code == 400
    sendgrid.link()
    assert sendgrid.send(secret_api_key=KEY).status_code == 429
    assert len(sendgrid.server.received(SCOPES)) == typed.MOST_TRIES


def test_nobody_guesses_keys_with_one_link(sendgrid: Visitor) -> None:
    sendgrid.server.on("GET", SCOPES, Answer(status=401))
    for _ in range(typed.MOST_TRIES):
        assert sendgrid.send(secret_api_key=KEY).status_code == 400
    asked = len(sendgrid.server.requests)
    assert sendgrid.send(secret_api_key=KEY).status_code == 429
    assert "Please wait ten minutes" in sendgrid.pages[-1] and len(sendgrid.server.requests) == asked
    earlier = timezone.now() - timedelta(seconds=django_settings.ATTEMPT_SECONDS + 1)
    AuthorizationAttempt.objects.update(created_at=earlier)
    assert sendgrid.send(secret_api_key=KEY).status_code == 400


def test_a_link_serves_once_and_a_form_without_its_token_never(sendgrid: Visitor) -> None:
    path = sendgrid.link()
    assert sendgrid.web.post(path, {"secret-api_key": KEY}).status_code == 403
    assert sendgrid.send(secret_api_key=KEY).status_code == 200
    assert sendgrid.web.get(path).status_code == 410
    again = sendgrid.web.post(path, {"csrfmiddlewaretoken": sendgrid.web.cookies["patchbay-csrf"].value})
    assert again.status_code in (403, 410)
    assert Connection.objects.filter(status=Status.ACTIVE).count() == 1


def test_a_partner_with_a_return_url_gets_the_customer_back_by_a_page(sendgrid: Visitor) -> None:
    """A redirect after a form to another site is what form-action forbids."""
    sendgrid.link(return_url="https://app.example.com/done?x=1")
    reply = sendgrid.send(secret_api_key=KEY)
    found = re.search(r'http-equiv="refresh" content="1; url=([^"]+)"', sendgrid.pages[-1])
    assert reply.status_code == 200 and found is not None
    assert found[1].startswith("https://app.example.com/done?x=1&amp;status=connected&amp;UUID=")


def test_a_program_is_told_in_json(sendgrid: Visitor) -> None:
    sendgrid.server.on("GET", SCOPES, Answer(status=401), {"scopes": []})
    refused = sendgrid.send(accept="application/json", secret_api_key=KEY)
    assert (refused.status_code, refused.json()["status"], refused.json()["reason"]) == (
        200,
        "failed",
        "refused",
    )
    wrong = sendgrid.send(accept="application/json", secret_api_key="no")
    assert (wrong.status_code, wrong.json()["field"]) == (400, "secrets.api_key")
    done = sendgrid.send(accept="application/json", secret_api_key=KEY)
    assert done.json()["status"] == "connected" and KEY not in done.content.decode()


def test_a_reconnect_takes_the_new_key_of_the_same_account_alone(sendgrid: Visitor) -> None:
    sendgrid.send(secret_api_key=KEY)
    sendgrid.link()
    sendgrid.server.on("GET", USERNAME, {"username": "another", "user_id": 4712})
    assert sendgrid.send(secret_api_key=OTHER_KEY).status_code == 400
    assert "You chose another account than the one that was connected before." in sendgrid.pages[-1]
    assert tokens.open_tokens(sendgrid.connection()) == {"access_token": KEY}
    sendgrid.server.on("GET", USERNAME, {"username": "acme-mail", "user_id": 4711})
    assert sendgrid.send(secret_api_key=OTHER_KEY).status_code == 200
    assert tokens.open_tokens(sendgrid.connection()) == {"access_token": OTHER_KEY}
    assert Connection.objects.count() == 1


def test_an_ended_connection_keeps_no_key_and_ends_none_at_the_provider(sendgrid: Visitor) -> None:
    sendgrid.send(secret_api_key=KEY)
    asked = len(sendgrid.server.requests)
    assert connections.disconnect(sendgrid.connection(), actor=ACTOR) is None
    row = Connection.objects.get()
    assert (row.status, row.access_token) == (Status.DISCONNECTED, None)
    assert len(sendgrid.server.requests) == asked


def test_a_key_that_was_withdrawn_goes_to_the_partner_as_the_providers_401(
    sendgrid: Visitor, platform: Served
) -> None:
    sendgrid.send(secret_api_key=KEY)
    sendgrid.server.on("GET", "https://api.sendgrid.com/v3/stats", Answer({"errors": []}, status=401))
    auth = {"Authorization": f"Bearer {sendgrid.at.api_key}"}
    assert platform.call("GET", "/proxy/kind-dev/cust/v3/stats", auth).status == 401


def test_nobody_but_the_partner_who_made_the_link_can_use_it(sendgrid: Visitor, platform: Served) -> None:
    sendgrid.send(secret_api_key=KEY)
    stranger = factories.partner("Stranger")
    key = factories.credential(stranger, sendgrid.at.integration).api_key
    asked = len(sendgrid.server.requests)
    theirs = platform.call("GET", "/proxy/kind-dev/cust/v3/stats", {"Authorization": f"Bearer {key}"})
    nobody = platform.call("GET", "/proxy/kind-dev/cust/v3/stats", {})
    assert (theirs.status, nobody.status) == (404, 401)
    assert len(sendgrid.server.requests) == asked


def test_a_key_is_imported_without_a_refresh_token_alone(sendgrid: Visitor) -> None:
    def adopt(refresh_token: str) -> Connection:
        adoption = Adoption(foreign_identifier="cust", access_token=KEY, refresh_token=refresh_token)
        return connections.adopt(sendgrid.at.partner, sendgrid.at.integration, adoption, actor=ACTOR)

    with pytest.raises(InvalidInput) as refused:
        adopt("a-refresh-token")
    assert refused.value.field == "refreshToken"
    assert tokens.ensure_fresh(adopt("").pk).secret.reveal() == KEY


def test_a_check_tells_a_key_that_was_withdrawn_from_a_provider_in_trouble(sendgrid: Visitor) -> None:
    sendgrid.send(secret_api_key=KEY)
    assert connections.check(sendgrid.connection()).status == Status.ACTIVE
    sendgrid.server.on("GET", SCOPES, Answer(status=503))
    with pytest.raises(ProviderUnavailable):
        connections.check(sendgrid.connection())
    assert sendgrid.connection().status == Status.ACTIVE
    sendgrid.server.on("GET", SCOPES, Answer({"errors": []}, status=401))
    with pytest.raises(ReconnectRequired):
        connections.check(sendgrid.connection())
    made = sendgrid.connection()
    assert (made.status, made.status_reason) == (Status.RECONNECT_REQUIRED, "revoked_at_provider")
    assert Event.objects.filter(type="connection.reconnect_required").count() == 1
    sendgrid.link()
    sendgrid.server.on("GET", SCOPES, {"scopes": []})
    assert sendgrid.send(secret_api_key=OTHER_KEY).status_code == 200
    assert sendgrid.connection().status == Status.ACTIVE


def test_a_key_that_a_customer_has_typed_is_handed_out_to_nobody(sendgrid: Visitor) -> None:
    """Their page says that it is never shown again."""
    sendgrid.send(secret_api_key=KEY)
    with pytest.raises(InvalidInput, match="through the proxy"):
        connections.hand_out(sendgrid.connection(), actor=ACTOR)
    assert not AuditEntry.objects.filter(action="connection.token_read").exists()
