"""Refresh, check and the end of a grant, against the served sandbox."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from integrations import connect, connections, tasks, tokens
from integrations.errors import ConnectionNotFound
from integrations.models import Connection, PendingRevocation
from tests.factories import ACTOR, World
from tests.integrations.api.conftest import Api, problem
from tests.integrations.connect.conftest import Browser

LINKS, CONNECTIONS = "/api/v1/connect-links", "/api/v1/connections"
pytestmark = pytest.mark.served


@pytest.fixture
def connected(api: Api, world: World, sandbox: Any) -> Connection:
    """A customer who came through a link of the API."""
    world.register_at(sandbox)
    made = api.post(LINKS, {"appSlug": "hbdev", "userForeignIdentifier": "tenant-42"}).json()
    browser = Browser()
    assert browser.come_back(browser.consent(_leave(browser, made["url"]))).outcome == "connected"
    assert api.get(f"{LINKS}/{made['id']}").json()["state"] == "completed"
    return Connection.objects.get(pk=made["UUID"])


def _leave(browser: Browser, url: str) -> str:
    link = connect.find_link(urlsplit(url).path.rsplit("/", 1)[1])
    return connect.start(link, browser_secret=browser.secret, values={}).authorization_url


def fault(sandbox: Any, path: str, **what: Any) -> None:
    sandbox.control("POST", "/_control/faults", {"match": {"path": path}, "times": 2, **what})


def test_the_whole_way_from_link_to_account(api: Api, connected: Connection) -> None:
    body = api.get(f"{CONNECTIONS}/{connected.pk}").json()
    assert body["status"] == "active" and body["providerAccount"]["id"] == "62515"
    assert body["accessTokenExpiresAt"] and "reconnectUrl" not in body


def test_ref_36_asking_for_a_refresh_does_not_demote(api: Api, connected: Connection, sandbox: Any) -> None:
    path = f"{CONNECTIONS}/{connected.pk}/refresh"
    before = tokens.open_tokens(connected)["access_token"]
    refreshed = api.post(path)
    assert refreshed.status_code == 200 and refreshed.json()["status"] == "active"
    connected.refresh_from_db()
    newer = tokens.open_tokens(connected)["access_token"]
    assert newer != before
    fault(sandbox, "/oauth/", status=503)
    body = problem(api.post(path), 503, "refresh_unavailable")
    assert 1 <= body["retryAfter"] <= 60
    connected.refresh_from_db()
    assert connected.status == "active"
    assert tokens.open_tokens(connected)["access_token"] == newer


def test_a_refresh_of_a_grant_that_is_gone_asks_for_the_customer(
    api: Api, connected: Connection, sandbox: Any
) -> None:
    sandbox.control("POST", "/_control/revoke", {"hubId": 62515})
    body = problem(api.post(f"{CONNECTIONS}/{connected.pk}/refresh"), 424, "reconnect_required")
    assert body["reason"] == "revoked_at_provider" and body["reconnectUrl"]
    assert api.get(f"{CONNECTIONS}/{connected.pk}").json()["status"] == "reconnect_required"


def test_a_check_asks_the_provider(api: Api, connected: Connection, sandbox: Any) -> None:
    assert api.post(f"{CONNECTIONS}/{connected.pk}/check").json()["status"] == "active"
    fault(sandbox, "/", status=503)
    problem(api.post(f"{CONNECTIONS}/{connected.pk}/check"), 502, "upstream_unreachable")
    connected.refresh_from_db()
    assert connected.status == "active"


def test_a_revocation_reaches_the_provider(
    api: Api, connected: Connection, sandbox: Any, monkeypatch: Any, django_capture_on_commit_callbacks: Any
) -> None:
    queued: list[Any] = []
    monkeypatch.setattr(
        tasks.carry_out_revocation, "apply_async", lambda **call: queued.append(call["args"][0])
    )
    with django_capture_on_commit_callbacks(execute=True):
        assert api.delete(f"{CONNECTIONS}/{connected.pk}").status_code == 204
    assert tasks.carry_out_revocation(queued[0]) == "confirmed"
    assert not PendingRevocation.objects.exists()
    with pytest.raises(ConnectionNotFound):
        connections.disconnect(connected, actor=ACTOR)
