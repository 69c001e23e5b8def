"""A call that has waited is looked at again before it is sent: who makes it, and over which connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from integrations.models import Connection, Integration, IntegrationGrant
from integrations.models.connection import Status
from proxy import lookups, sending
from proxy.limits import Ticket
from proxy.plane import DataPlane
from proxy.routes import Route
from sealing import Secret
from tests.egress.servers import Conversation
from tests.factories import World
from tests.proxy.calls import bearer, problem, reply
from tests.proxy.conftest import TOKEN, Serve
from tests.proxy.servers import RawReply, Served
from tests.proxy.test_refreshes import EXPIRED, calls_of, hubspot, token_of
from tests.proxy.test_sending import OK, in_turn

pytestmark = [pytest.mark.served, pytest.mark.db]
Change = Callable[[World, Connection], Any]
TOO_MANY = reply("429 Too Many Requests", b"Retry-After: 1")


def revoked(at: World, cust: Connection) -> None:
    type(at.credential).objects.filter(pk=at.credential.pk).update(revoked_at=timezone.now())


def expired(at: World, cust: Connection) -> None:
    past = timezone.now() - timedelta(seconds=1)
    type(at.credential).objects.filter(pk=at.credential.pk).update(expires_at=past)


def closed(at: World, cust: Connection) -> None:
    type(at.partner).objects.filter(pk=at.partner.pk).update(is_active=False)


def narrowed(at: World, cust: Connection) -> None:
    type(at.credential).objects.filter(pk=at.credential.pk).update(permissions=["connections:read"])


def ungranted(at: World, cust: Connection) -> None:
    IntegrationGrant.objects.all().delete()


def turned_off(at: World, cust: Connection) -> None:
    Integration.objects.filter(pk=at.integration.pk).update(is_enabled=False)


def paused(at: World, cust: Connection) -> None:
    Connection.objects.filter(pk=cust.pk).update(status=Status.PAUSED)


def disconnected(at: World, cust: Connection) -> None:
    cust.delete()


def another_account(at: World, cust: Connection) -> None:
    Connection.objects.filter(pk=cust.pk).update(provider_account_id="another")


CHANGES: list[tuple[Change, int, str]] = [
    (revoked, 401, "not_authenticated"),
    (expired, 401, "not_authenticated"),
    (closed, 401, "not_authenticated"),
    (narrowed, 403, "permission_denied"),
    (ungranted, 404, "not_found"),
    (turned_off, 404, "not_found"),
    (paused, 423, "connection_paused"),
    (disconnected, 404, "connection_not_found"),
    (another_account, 404, "connection_not_found"),
]
every_change = pytest.mark.parametrize(
    ("change", "status", "code"), CHANGES, ids=[change.__name__ for change, _, _ in CHANGES]
)


def committed(change: Change, at: World, cust: Connection) -> Callable[[], None]:
    """The change, on a database connection of its own."""

    def work() -> None:
        change(at, cust)
        database.close()

    return work


def sleep_through(change: Change, at: World, cust: Connection) -> Callable[[float], Awaitable[None]]:
    """For sending.sleep: the change is made while a call waits, which takes no time of its own."""

    async def sleep(seconds: float) -> None:
        await asyncio.to_thread(committed(change, at, cust))

    return sleep


def call(platform: Served, at: World, retries: int = 3, **fields: str) -> RawReply:
    asked = {"Patchbay-Retries": str(retries)} if retries else {}
    return platform.call("GET", "/proxy/hbdev/cust/crm", bearer(at) | asked | fields)


@every_change
def test_a_retry_is_not_made_for_whoever_may_not_call_any_more(
    platform: Served,
    at: World,
    cust: Connection,
    provider: Serve,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    status: int,
    code: str,
) -> None:
    upstream = provider(in_turn(TOO_MANY, OK))

    monkeypatch.setattr(sending, "sleep", sleep_through(change, at, cust))
    got = call(platform, at)
    assert (got.status, problem(got.body)["code"]) == (status, code)
    assert len(upstream.requests) == 1


@every_change
def test_a_call_that_waited_for_its_account_s_budget_is_not_made_for_whoever_may_not_call_any_more(
    platform: Served,
    at: World,
    cust: Connection,
    provider: Serve,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    status: int,
    code: str,
) -> None:
    upstream = provider(in_turn(TOO_MANY, OK))
    assert call(platform, at, retries=0).status == 429

    async def admitted(ticket: Ticket) -> None:
        await asyncio.to_thread(committed(change, at, cust))

    monkeypatch.setattr(Ticket, "admitted", admitted)
    got = call(platform, at)
    assert (got.status, problem(got.body)["code"]) == (status, code)
    assert len(upstream.requests) == 1


@every_change
def test_a_call_whose_first_token_came_slowly_is_not_made_for_whoever_may_not_call_any_more(
    platform: Served,
    at: World,
    cust: Connection,
    provider: Serve,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    status: int,
    code: str,
) -> None:
    upstream = provider(in_turn(OK))

    async def freshen(plane: DataPlane, route: Route, *, timeout_seconds: float | None) -> None:
        await asyncio.to_thread(committed(change, at, cust))

    monkeypatch.setattr(lookups, "freshen", freshen)
    monkeypatch.setattr(lookups, "TTL_SECONDS", 0.0)
    got = call(platform, at)
    assert (got.status, problem(got.body)["code"]) == (status, code)
    assert upstream.requests == []


def test_a_call_is_not_made_again_with_a_fresh_token_for_a_credential_that_was_revoked_meanwhile(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    def handler(request: bytes) -> bytes:
        committed(revoked, at, cust)()
        return EXPIRED

    upstream = provider(hubspot(handler))
    got = call(platform, at, retries=0)
    assert (got.status, problem(got.body)["code"]) == (401, "not_authenticated")
    assert len(calls_of(upstream)[0]) == 1


def test_a_retry_carries_the_token_that_came_while_it_waited(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = provider(in_turn(TOO_MANY, OK))

    def renewed(at: World, cust: Connection) -> None:
        row = Connection.objects.get(pk=cust.pk)
        row.access_token, row.token_version = Secret("the-token-that-came"), row.token_version + 1
        row.save()

    monkeypatch.setattr(sending, "sleep", sleep_through(renewed, at, cust))
    assert call(platform, at).status == 200
    assert [token_of(request) for request in upstream.requests] == [TOKEN, "the-token-that-came"]


def test_an_account_that_a_job_learns_while_a_call_waits_is_no_other_one(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    Connection.objects.filter(pk=cust.pk).update(provider_account_id="", is_identity_known=False)
    upstream = provider(in_turn(TOO_MANY, OK))

    def learnt(at: World, cust: Connection) -> None:
        Connection.objects.filter(pk=cust.pk).update(provider_account_id="62515", is_identity_known=True)

    monkeypatch.setattr(sending, "sleep", sleep_through(learnt, at, cust))
    assert call(platform, at).status == 200
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("fields", "status", "times"),
    [({}, 200, 3), ({"X-HTTP-Method-Override": "POST"}, 502, 2), ({"X-HTTP-Method-Override": "PUT"}, 200, 3)],
    ids=["plain", "post-in-a-get", "put-in-a-get"],
)
def test_prx_18_a_stale_connection_repeats_no_get_that_is_a_write(
    platform: Served,
    at: World,
    cust: Connection,
    provider: Serve,
    fields: dict[str, str],
    status: int,
    times: int,
) -> None:
    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(OK)
        talk.read_request()
        if talk.number == 1:
            talk.reset()
            return
        talk.send(OK)

    upstream = provider(handler)
    assert call(platform, at, retries=0).status == 200
    assert call(platform, at, retries=0, **fields).status == status
    assert len(upstream.requests) == times
