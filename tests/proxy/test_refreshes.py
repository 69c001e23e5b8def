"""Replies by which the provider says that the token expired: one refresh, one more try, or the reply itself."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Connection
from integrations.models.connection import Status
from tests import factories
from tests.egress.servers import Conversation, Handler, Server
from tests.factories import World
from tests.proxy.calls import bearer, body_of, head_of, problem, reply
from tests.proxy.conftest import TOKEN, Serve
from tests.proxy.servers import Served

pytestmark = pytest.mark.served
ROOT = "/proxy/hbdev/cust"
EXPIRED = reply(
    "401 Unauthorized",
    b"Content-Type: application/json",
    body=b'{"status":"error","category":"EXPIRED_AUTHENTICATION"}',
)
REFUSED = reply("401 Unauthorized", body=b'{"category":"INVALID_AUTHENTICATION"}')
_OK = reply(body=b"ok")


def token_of(request: bytes) -> str:
    line = next(line for line in head_of(request) if line.lower().startswith(b"authorization:"))
    return line.rpartition(b" ")[2].decode()


def hubspot(answer: Callable[[bytes], bytes], *, token_status: str = "200 OK", delay: float = 0.0) -> Handler:
    """A HubSpot with a token endpoint that hands out token-1, token-2 …; answer replies to API calls."""
    issued = [0]
    lock = threading.Lock()

    def handler(talk: Conversation) -> None:
        while True:
            request = talk.read_request()
            if not head_of(request)[0].startswith(b"POST /oauth/"):
                talk.send(answer(request))
                continue
            with lock:
                issued[0] += 1
                number = issued[0]
            if delay:
                threading.Event().wait(delay)
            granted = {"access_token": f"token-{number}", "refresh_token": "r2", "expires_in": 1800}
            refused = {"status": "BAD_REFRESH_TOKEN", "error": "invalid_grant", "message": "gone"}
            body = json.dumps(granted if token_status.startswith("200") else refused).encode()
            talk.send(reply(token_status, b"Content-Type: application/json", body=body))

    return handler


def calls_of(server: Server) -> tuple[list[bytes], list[bytes]]:
    """(API calls, token calls)"""
    token_calls = [request for request in server.requests if head_of(request)[0].startswith(b"POST /oauth/")]
    return [request for request in server.requests if request not in token_calls], token_calls


def expired_unless(token: str) -> Callable[[bytes], bytes]:
    return lambda request: _OK if token_of(request) == token else EXPIRED


def test_an_expired_token_is_refreshed_and_the_call_made_again(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(hubspot(expired_unless("token-1")))
    got = platform.call("GET", f"{ROOT}/crm", bearer(at))
    assert (got.status, got.body) == (200, b"ok")
    calls, token_calls = calls_of(upstream)
    assert [token_of(call) for call in calls] == [TOKEN, "token-1"]
    assert len(token_calls) == 1
    got = platform.call("GET", f"{ROOT}/crm", bearer(at))
    assert got.body == b"ok"
    assert len(calls_of(upstream)[1]) == 1


def test_prx_19_the_second_try_carries_the_new_token_and_all_of_the_body(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(hubspot(expired_unless("token-1")))
    body = json.dumps({"x": "y" * 100_000}).encode()
    got = platform.call("POST", f"{ROOT}/crm", bearer(at), body)
    assert got.status == 200
    calls, _ = calls_of(upstream)
    assert [token_of(call) for call in calls] == [TOKEN, "token-1"]
    assert [body_of(call) == body for call in calls] == [True, True]


def test_prx_19_a_body_too_long_to_keep_gets_the_401_and_the_next_call_works(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(hubspot(expired_unless("token-1")))
    body = b"x" * 3_000_000
    got = platform.call("POST", f"{ROOT}/crm", bearer(at), body)
    assert (got.status, got.body) == (401, body_of(EXPIRED))
    assert len(calls_of(upstream)[0]) == 1
    got = platform.call("POST", f"{ROOT}/crm", bearer(at), body)
    assert (got.status, got.body) == (200, b"ok")
    assert body_of(upstream.requests[-1]) == body


def test_ref_17_a_401_that_refreshing_cannot_cure_is_handed_back(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(hubspot(lambda request: EXPIRED))
    for _ in range(3):
        got = platform.call("GET", f"{ROOT}/crm", bearer(at))
        assert (got.status, got.body) == (401, body_of(EXPIRED))
    calls, token_calls = calls_of(upstream)
    assert (len(calls), len(token_calls)) == (4, 1)
    cust.refresh_from_db()
    assert cust.status == Status.ACTIVE


def test_a_401_of_another_meaning_refreshes_nothing(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(hubspot(lambda request: REFUSED))
    got = platform.call("GET", f"{ROOT}/crm", bearer(at))
    assert (got.status, got.body, got.get("Content-Length")) == (
        401,
        body_of(REFUSED),
        str(len(body_of(REFUSED))),
    )
    assert len(upstream.requests) == 1


def test_a_grant_that_is_gone_gets_424_with_the_way_back(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(hubspot(lambda request: EXPIRED, token_status="400 Bad Request"))
    for _ in range(2):
        got = platform.call("GET", f"{ROOT}/crm", bearer(at))
        assert (got.status, problem(got.body)["code"]) == (424, "reconnect_required")
        assert "/reconnect/" in problem(got.body)["reconnectUrl"]
    calls, token_calls = calls_of(upstream)
    assert (len(calls), len(token_calls)) == (1, 1)


def test_many_calls_on_a_token_that_is_due_cause_one_refresh(
    platform: Served, at: World, provider: Serve
) -> None:
    factories.connection(at, "cust", access_token=TOKEN, expires_in=0)
    upstream = provider(hubspot(expired_unless("token-1"), delay=0.3))
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(platform.call("GET", f"{ROOT}/x", bearer(at)).status))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [200] * 20
    calls, token_calls = calls_of(upstream)
    assert len(token_calls) == 1
    assert {token_of(call) for call in calls} == {"token-1"}


def test_a_token_that_lives_serves_on_while_its_refresh_is_slow(
    platform: Served, at: World, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.refreshing.ALIVE_WAIT_SECONDS", 0.3)
    soon = timezone.now() + timedelta(seconds=30)
    for number in range(12):  # more than may refresh at a provider at once
        factories.connection(at, f"due-{number}", access_token=TOKEN)
    Connection.objects.update(access_token_expires_at=soon)
    factories.connection(at, "fresh", access_token=TOKEN)
    upstream = provider(hubspot(lambda request: _OK, delay=10.0))
    names = [f"due-{number}" for number in range(12)] + ["fresh"]
    results: list[tuple[int, float]] = []

    def ask(name: str) -> None:
        began = time.monotonic()
        got = platform.call("GET", f"/proxy/hbdev/{name}/x", {**bearer(at), "Patchbay-Timeout": "9"})
        results.append((got.status, time.monotonic() - began))

    threads = [threading.Thread(target=ask, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in results] == [200] * 13
    assert max(seconds for _, seconds in results) < 9
    calls, _ = calls_of(upstream)
    assert {token_of(call) for call in calls} == {TOKEN}


@pytest.mark.parametrize(
    ("expires_in", "status", "tries"),
    [
        (None, "403 Forbidden", 2),
        (None, "404 Not Found", 2),
        (1800, "404 Not Found", 1),
        (1800, "403 Forbidden", 1),
    ],
)
def test_ref_16_other_signals_count_only_for_a_token_not_known_to_be_fresh(
    platform: Served, at: World, provider: Serve, expires_in: int | None, status: str, tries: int
) -> None:
    atlassian = factories.world("Other", of=factories.integration("jira", "atlassian", client_id="c2"))
    factories.connection(atlassian, "cust", access_token=TOKEN, expires_in=expires_in)
    granted = json.dumps({"access_token": "token-1", "refresh_token": "r2", "expires_in": 3600}).encode()

    def tokens(talk: Conversation) -> None:
        while True:
            talk.read_request()
            talk.send(reply("200 OK", b"Content-Type: application/json", body=granted))

    def api(talk: Conversation) -> None:
        while True:
            is_new = token_of(talk.read_request()) == "token-1"
            talk.send(_OK if is_new else reply(status, body=b"theirs"))

    token_endpoint = provider(tokens, origin="https://auth.atlassian.com")
    upstream = provider(api, origin="https://api.atlassian.com")
    got = platform.call("GET", "/proxy/jira/cust/x", bearer(atlassian))
    assert got.status == (200 if tries == 2 else int(status[:3]))
    assert len(upstream.requests) == tries
    assert len(token_endpoint.requests) == tries - 1


def test_during_back_off_the_call_says_when_to_come_back(
    platform: Served, at: World, provider: Serve
) -> None:
    now = timezone.now()
    factories.connection(
        at,
        "cust",
        access_token=TOKEN,
        expires_in=0,
        refresh_not_before=now + timedelta(seconds=40),
        status=Status.REFRESH_FAILING,
    )
    upstream = provider(hubspot(lambda request: _OK))
    got = platform.call("GET", f"{ROOT}/x", bearer(at))
    assert (got.status, problem(got.body)["code"]) == (503, "refresh_unavailable")
    assert 1 <= int(got.get("Retry-After") or 0) <= 60
    assert upstream.requests == []


def test_prx_18_a_post_is_made_again_after_a_refresh(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(hubspot(expired_unless("token-1")))
    envelope: dict[str, Any] = {
        "userForeignIdentifier": "cust", "method": "POST", "url": "/crm", "body": {"a": 1.0},
    }  # fmt: skip
    got = platform.call("POST", "/proxy/hbdev", bearer(at), json.dumps(envelope).encode())
    assert got.body == b"ok"
    assert [body_of(call) for call in calls_of(upstream)[0]] == [b'{"a": 1.0}'] * 2
