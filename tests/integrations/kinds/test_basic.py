"""A user name and a password: Twilio's, with the account's number as a field beside them."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from integrations import tokens
from integrations.models import AuthorizationAttempt
from integrations.models.connection import Status
from tests.integrations.kinds.conftest import MakeVisitor, Visitor
from tests.provider_server import Answer
from tests.proxy.servers import Served

ACCOUNT = "AC" + "0" * 31 + "7"
USER = "SK" + "0" * 31 + "9"
PASSWORD = "pass:word/of+mine"
ROOT = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture
def twilio(visitor: MakeVisitor) -> Visitor:
    made = visitor("twilio")
    made.server.on("GET", f"{ROOT}/IncomingPhoneNumbers.json", {"incoming_phone_numbers": []})
    made.server.on("GET", f"{ROOT}.json", {"friendly_name": "Acme calls"})
    return made


def typed(**changed: str) -> dict[str, str]:
    return {"account_sid": ACCOUNT, "secret_username": USER, "secret_password": PASSWORD, **changed}


def test_the_pair_is_kept_and_sent_as_http_basic(twilio: Visitor, platform: Served, logs: Any) -> None:
    twilio.send(**typed())
    assert 'data-outcome="connected"' in twilio.pages[-1]
    assert {request.header("Authorization") for request in twilio.server.requests} == {BASIC}
    made = twilio.connection()
    assert (made.status, made.provider_account_id, made.provider_account_name) == (
        Status.ACTIVE,
        ACCOUNT,
        "Acme calls",
    )
    assert tokens.open_tokens(made) == {"access_token": f"{USER}:{PASSWORD}"}
    messages = f"{ROOT}/Messages.json"
    echo = {"Location": f"https://api.twilio.com/x?was={BASIC.removeprefix('Basic ')}"}
    twilio.server.on("POST", messages, Answer({"sid": "SM1"}, status=201, headers=echo))
    auth = {"Authorization": f"Bearer {twilio.at.api_key}", "Content-Length": "0"}
    sent = platform.call("POST", f"/proxy/kind-dev/cust/2010-04-01/Accounts/{ACCOUNT}/Messages.json", auth)
    assert sent.status == 201, sent.body
    (call,) = twilio.server.received(messages)
    assert (sent.status, call.header("Authorization")) == (201, BASIC)
    assert sent.get("Location") == "https://api.twilio.com/x?was=[removed]"
    told = twilio.traces() + logs()
    assert PASSWORD not in told and BASIC.removeprefix("Basic ") not in told


def test_a_user_name_is_shown_again_and_a_password_is_not(twilio: Visitor) -> None:
    twilio.server.on("GET", f"{ROOT}/IncomingPhoneNumbers.json", Answer(status=401))
    assert twilio.send(**typed()).status_code == 400
    page = twilio.pages[-1]
    assert f'value="{ACCOUNT}"' in page and f'value="{USER}"' in page
    assert PASSWORD not in page and re.search(r'name="secret-password" type="password"', page)
    assert AuthorizationAttempt.objects.get().outcome_reason == "refused"


def test_a_wrong_field_keeps_what_else_was_typed(twilio: Visitor) -> None:
    assert twilio.send(**typed(account_sid="AC-no")).status_code == 400
    page = twilio.pages[-1]
    assert 'id="error-account_sid"' in page and f'value="{USER}"' in page and PASSWORD not in page


def test_a_colon_in_the_user_name_would_end_it_and_is_refused(twilio: Visitor) -> None:
    assert twilio.send(**typed(secret_username="SK:x")).status_code == 400
    assert "holds a character that cannot be used" in twilio.pages[-1]
    assert not twilio.server.requests


def test_a_standard_key_that_may_not_read_the_account_connects_all_the_same(twilio: Visitor) -> None:
    twilio.server.on("GET", f"{ROOT}.json", Answer(status=401))
    assert 'data-outcome="connected"' in twilio.send(**typed()).content.decode()
    assert twilio.connection().provider_account_name == ""
