"""Calls through the doors of a running platform, and what the log keeps of them: who and what, and no secret."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection as database

from accounts import credentials
from accounts.audit import Actor
from integrations.models import Connection
from proxy import routes
from proxy.models import TrafficEntry, TrafficHour
from proxy.models.traffic import NOBODY
from tests.egress.servers import replying
from tests.factories import World
from tests.leaks import search
from tests.proxy.calls import bearer, reply, wait_until_seen
from tests.proxy.conftest import TOKEN, Serve
from tests.proxy.servers import served

pytestmark = [pytest.mark.served, pytest.mark.db]
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4ifQ.sflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV"
SECRETS = {
    "opaque": "CSecretOfSomebody0123456789abcdefXYZ",
    "hex": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "JWT": JWT,
    "Slack's": "xoxb-123456789012-abcdefghijkl",
    "address": "ann.of.the.test@customer.example",
}


def kept() -> bytes:
    """Every value of both tables."""
    values = [*TrafficEntry.objects.values_list(), *TrafficHour.objects.values_list()]
    return json.dumps(values, default=str).encode()


def test_each_way_in_leaves_one_entry(at: World, cust: Connection, provider: Serve) -> None:
    provider(replying(reply("404 Not Found", body=b"none")))
    with served() as platform:
        sent = platform.call("PATCH", "/proxy/hbdev/cust/crm/v3/objects/contacts/51", bearer(at), b"{}")
        warm = platform.call("PATCH", "/proxy/hbdev/cust/crm/v3/objects/contacts/51", bearer(at), b"{}")
        body = {
            "userForeignIdentifier": "cust",
            "method": "GET",
            "url": "/crm/v3/owners",
            "query": {"limit": "5"},
        }
        enveloped = platform.call(
            "POST",
            "/api/v1/proxy/hbdev",
            {**bearer(at), "Content-Type": "application/json"},
            json.dumps(body).encode(),
        )
        refused = platform.call("GET", "/proxy/hbdev/nobody/x", bearer(at))
        stranger = platform.call("GET", "/proxy/hbdev/cust/x", {"Authorization": "Bearer nonsense"})
    assert [made.status for made in (sent, warm, enveloped, refused, stranger)] == [404, 404, 404, 404, 401]
    entries = {entry.request_id: entry for entry in TrafficEntry.objects.all()}
    ids = [
        made.get("Patchbay-Request-Id") or made.get("X-Request-Id")
        for made in (sent, warm, enveloped, refused)
    ]
    assert set(entries) == set(ids)
    for request_id in ids[:2]:
        entry = entries[str(request_id)]
        assert (entry.door, entry.method, entry.host) == ("passthrough", "PATCH", "api.hubapi.com")
        assert (entry.path, entry.status, entry.code) == ("/crm/v3/objects/contacts/51", 404, "")
        assert (entry.partner_id, entry.credential_id, entry.connection_id) == (
            at.partner.pk,
            at.credential.pk,
            cust.pk,
        )
        assert (entry.request_bytes, entry.reply_bytes, entry.outcome) == (2, 4, "completed")
        assert entry.upstream_ms is not None and 0 < entry.upstream_ms <= entry.total_ms
    envelope = entries[str(ids[2])]
    assert (envelope.door, envelope.method, envelope.path, envelope.query) == (
        "envelope",
        "GET",
        "/crm/v3/owners",
        "limit=5",
    )
    refusal = entries[str(ids[3])]
    assert (refusal.code, refusal.connection_id, refusal.slug) == ("connection_not_found", None, "hbdev")
    assert (refusal.host, refusal.path) == ("", "")
    assert TrafficHour.objects.get(partner_id=NOBODY).calls == 1
    assert sum(TrafficHour.objects.filter(partner_id=at.partner.pk).values_list("calls", flat=True)) == 4


def test_no_secret_that_a_call_carries_is_kept(at: World, cust: Connection, provider: Serve) -> None:
    secrets = {**SECRETS, "the access token": TOKEN, "the API key": at.api_key}
    provider(replying(reply(body=json.dumps(secrets).encode())))
    with served() as platform:
        for secret in secrets.values():
            for written in (secret, quote(secret, safe=""), quote(quote(secret, safe=""), safe="")):
                fields = {**bearer(at), "X-Secret": secret, "Cookie": f"session={secret}"}
                target = f"/proxy/hbdev/cust/a/{written}/b?q={written}&after={written}&{written}&{written}=1"
                platform.call("POST", target, fields, secret.encode())
                platform.call("GET", f"/proxy/hbdev/{written}/a", fields)
                platform.call("GET", f"/proxy/{written}/cust/a", fields)
    assert TrafficEntry.objects.count() >= 3 * len(secrets)
    content = kept()
    assert search.in_bytes(content, secrets, "traffic") == []
    for name, secret in secrets.items():
        assert quote(quote(secret, safe=""), safe="").encode() not in content, name


def test_a_revocation_right_after_a_flush_is_seen_by_the_next_call(
    at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.traffic.buffer.FLUSH_SECONDS", 0.02)
    monkeypatch.setattr("proxy.traffic.buffer.BATCH", 2)
    provider(replying(reply(body=b"ok")))
    with served() as platform:
        for _ in range(5):
            new = credentials.create(at.partner, name="short-lived", actor=Actor.system("test"))
            new.credential.integration_grants.create(integration=at.integration)
            own = {"Authorization": f"Bearer {new.api_key}"}
            assert [platform.call("GET", "/proxy/hbdev/cust/x", own).status for _ in range(6)] == [200] * 6
            credentials.revoke(new.credential, actor=Actor.system("test"))
            wait_until_seen()
            assert platform.call("GET", "/proxy/hbdev/cust/x", own).status == 401


@pytest.mark.skipif(database.vendor != "sqlite", reason="elsewhere a commit makes nothing cold")
def test_calls_stay_warm_while_the_log_is_written(
    at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.traffic.buffer.FLUSH_SECONDS", 0.02)
    monkeypatch.setattr("proxy.cache.TTL_SECONDS", 600.0)
    looked_up: list[Any] = []
    resolve = routes.resolve

    def counted(*args: Any, **kwargs: Any) -> Any:
        looked_up.append(args)
        return resolve(*args, **kwargs)

    monkeypatch.setattr(routes, "resolve", counted)
    provider(replying(reply(body=b"ok")))
    with served() as platform:
        platform.call("GET", "/proxy/hbdev/cust/x", bearer(at))
        written, before = 0, 0
        for _ in range(300):
            assert platform.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
            count = TrafficEntry.objects.count()
            written += count != before
            before = count
            if written == 6:
                break
    assert written == 6
    assert len(looked_up) <= 3, "only the log's first flush, and last uses, may empty the cache"


def test_a_log_that_is_off_keeps_nothing(at: World, cust: Connection, provider: Serve, settings: Any) -> None:
    settings.TRAFFIC_LOG = "off"
    provider(replying(reply(body=b"ok")))
    with served() as platform:
        assert platform.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
    assert not TrafficEntry.objects.exists() and not TrafficHour.objects.exists()
