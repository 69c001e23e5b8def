"""The doors of the data plane, served for real, with a key that opens nothing, and with one value lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet

from integrations.models import ClientCredentials, Connection
from integrations.models.connection import Status
from proxy import plane
from sealing import seal
from tests import factories
from tests.factories import World
from tests.keys.test_doors import asked
from tests.proxy.calls import bearer, wait_until_seen
from tests.proxy.servers import RawReply, Served, served

pytestmark = [pytest.mark.served, pytest.mark.db]
CONTACTS = "/crm/v3/objects/contacts"


@pytest.fixture
def at(transactional_db: Any) -> Any:
    yield factories.world()
    plane.stop_thread()


def all_doors(platform: Served, at: World, who: str) -> list[RawReply]:
    """Passthrough, envelope at both paths, and StackGo's."""
    envelope = {"userForeignIdentifier": who, "method": "GET", "url": CONTACTS}
    body = json.dumps(envelope).encode()
    headers = {**bearer(at), "Content-Type": "application/json"}
    replies = [platform.call("GET", f"/proxy/hbdev/{who}{CONTACTS}", bearer(at))]
    for path in ("/api/v1/proxy/hbdev", "/proxy/hbdev", "/api/raw/hbdev"):
        replies.append(platform.call("POST", path, headers, body))
    return replies


def unreadable(reply: RawReply) -> None:
    assert reply.status == 503, reply.body
    body = json.loads(reply.body)
    assert (body["code"], body["reason"]) == ("refresh_unavailable", "unreadable_secret")
    assert "FERNET_KEYS" in body["detail"] and reply.get("Retry-After") == "60"


@pytest.mark.parametrize("who", ["fresh", "due"])
def test_every_door_says_that_the_secret_cannot_be_read_and_heals_with_the_key(
    at: World, settings: Any, sandbox: Any, who: str
) -> None:
    at.register_at(sandbox)
    granted = sandbox.control("POST", "/_control/grants", {"clientId": at.client.client_id, "hubId": 62515})
    made = factories.connection(
        at,
        who,
        access_token=granted["accessToken"],
        refresh_token=granted["refreshToken"],
        expires_in=0 if who == "due" else 1800,
    )
    before = (made.access_token, made.refresh_token)
    held, settings.FERNET_KEYS = settings.FERNET_KEYS, [Fernet.generate_key().decode()]
    with served() as platform:  # which starts with the wrong key, too
        asked_before = len(asked(sandbox))
        assert platform.call("GET", "/healthz").status == 200
        ready = platform.call("GET", "/readyz")
        assert ready.status == 503 and "FERNET_KEYS" in json.loads(ready.body)["checks"]["keys"]["detail"]
        for reply in all_doors(platform, at, who):
            unreadable(reply)
        assert len(asked(sandbox)) == asked_before
        made.refresh_from_db()
        assert (made.access_token, made.refresh_token, made.status) == (*before, Status.ACTIVE)
        settings.FERNET_KEYS = [*settings.FERNET_KEYS, *held]
        wait_until_seen()
        assert [reply.status for reply in all_doors(platform, at, who)] == [200] * 4
    assert Connection.objects.get().token_version == (2 if who == "due" else 1)


def test_one_client_secret_that_cannot_be_read_changes_no_customer(
    at: World, settings: Any, sandbox: Any
) -> None:
    """Partial loss: the tokens open, what the client proves itself with does not."""
    due = factories.connection(at, "due", expires_in=0)
    held, settings.FERNET_KEYS = settings.FERNET_KEYS, [Fernet.generate_key().decode()]
    sealed = seal("another", model=ClientCredentials, field="client_secret", pk=at.client.pk)
    settings.FERNET_KEYS = held
    ClientCredentials.objects.update(client_secret=sealed)
    with served() as platform:
        for reply in all_doors(platform, at, "due"):
            unreadable(reply)
    due.refresh_from_db()
    assert (due.status, due.lease_owner) == (Status.ACTIVE, None) and asked(sandbox) == []
