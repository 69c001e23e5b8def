"""Each connector from end to end through StackGo's paths, with what the provider saw of it."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from accounts.models import Event
from integrations.models import Connection
from tests.integrations.stackgo_eight.conftest import MakeApp
from tests.integrations.stackgo_eight.connectors import EIGHT, Connector, told

pytestmark = [
    pytest.mark.served,
    pytest.mark.parametrize("connector", EIGHT, ids=[each.provider for each in EIGHT]),
]


def test_a_customer_connects_is_listed_and_is_called_with_his_credential(
    app: MakeApp, connector: Connector
) -> None:
    at = app(connector)
    assert at.is_connected() is False
    made = at.link()
    url = urlsplit(at.leave(made, **connector.typed))
    assert f"{url.scheme}://{url.netloc}{url.path}" == connector.authorize
    uuid = at.connect()
    assert uuid == made["UUID"]
    assert (at.users(), at.is_connected()) == ({"cust": "ACTIVE"}, True)
    assert at.account(uuid)["id"] == connector.account_id
    assert at.read() == {"read": connector.provider}
    (call,) = at.provider.calls(connector.reading)
    assert f"https://{call.header('Host')}{call.target}" == connector.reading
    bearer = "Bearer access-1" if connector.sends == "Authorization" else "access-1"
    assert (call.header(connector.sends), call.body) == (bearer, b"")
    assert {name: call.header(name) for name in connector.sent_headers} == connector.sent_headers
    assert at.bearer not in repr(call.headers)


def test_a_raw_call_after_the_provider_ended_the_token_is_made_with_a_fresh_one(
    app: MakeApp, connector: Connector
) -> None:
    at = app(connector)
    at.connect()
    for number in (2, 3):  # a second time as well: what rotated was kept
        at.end_token()
        assert at.read() == {"read": connector.provider}
        call = at.provider.calls(connector.reading)[-1]
        assert (call.header(connector.sends) or "").endswith(f"access-{number}")
    assert len(at.provider.calls(connector.token)) == 3
    assert len(at.provider.calls(connector.reading)) == 4
    assert at.users() == {"cust": "ACTIVE"}


def test_a_raw_call_after_the_token_s_time_never_shows_the_provider_the_old_one(
    app: MakeApp, connector: Connector
) -> None:
    at = app(connector)
    at.connect()
    at.provider.expire()
    Connection.objects.update(access_token_expires_at=timezone.now() - timedelta(seconds=1))
    assert at.read() == {"read": connector.provider}
    (call,) = at.provider.calls(connector.reading)
    assert (call.header(connector.sends) or "").endswith("access-2")
    sent = at.provider.calls(connector.token)[-1]
    members = sent.json if connector.is_json else sent.form
    assert (members["grant_type"], members["refresh_token"]) == ("refresh_token", "refresh-1")


def test_deleting_the_user_tells_the_provider_and_ends_every_way_in(
    app: MakeApp, connector: Connector
) -> None:
    at = app(connector)
    uuid = at.connect()
    before = len(at.provider.server.requests)
    outcomes = at.delete()
    calls = at.provider.server.requests[before:]
    event = Event.objects.get(type="connection.deleted").data
    if connector.revocation is None:
        assert (outcomes, calls, event["revocation"]) == ([], [], "unsupported")
    else:
        (call,) = calls
        assert (call.method, call.url) == connector.revocation
        assert told(call) == connector.told_at_the_end
        assert (outcomes, event["revocation"]) == (["confirmed"], "confirmed")
    assert (at.users(), at.is_connected()) == ({}, False)
    reply = at.raw(connector.reading)
    assert (reply.status_code, reply.json()["code"]) == (404, "connection_not_found")
    assert at.provider.calls(connector.reading) == []
    gone = Connection.objects.get(pk=uuid)
    assert (gone.status, gone.access_token, gone.refresh_token) == ("disconnected", None, None)
