"""Who may call: the owner, another partner, a stranger, nobody; and how quickly an end is an end."""

from __future__ import annotations

import base64
import json
import time
import uuid
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone

from accounts import credentials
from accounts.models import IssuedToken
from integrations import connections
from integrations.models import Connection, IntegrationGrant
from integrations.models.connection import Status
from proxy import plane
from proxy.limits.places import Places
from tests import factories
from tests.egress.servers import replying
from tests.factories import ACTOR, World
from tests.proxy.calls import bearer, head_of, problem, reply, wait_until_seen
from tests.proxy.conftest import TOKEN, Serve
from tests.proxy.servers import RawReply, Served

pytestmark = pytest.mark.served


def by_passthrough(platform: Served, headers: dict[str, str], identifier: str = "cust") -> RawReply:
    return platform.call("GET", f"/proxy/hbdev/{identifier}/x", headers)


def by_envelope(platform: Served, headers: dict[str, str], identifier: str = "cust") -> RawReply:
    body = json.dumps({"userForeignIdentifier": identifier, "method": "GET", "url": "/x"}).encode()
    return platform.call("POST", "/proxy/hbdev", headers, body)


def by_stackgo(platform: Served, headers: dict[str, str], identifier: str = "cust") -> RawReply:
    body = json.dumps({"userForeignIdentifier": identifier, "method": "GET", "url": "/x"}).encode()
    return platform.call("POST", "/api/raw/hbdev", {**headers, "Content-Type": "application/json"}, body)


DOORS = [by_passthrough, by_envelope, by_stackgo]


@pytest.mark.parametrize("door", DOORS)
def test_each_caller_gets_what_is_theirs(
    platform: Served, at: World, cust: Connection, provider: Serve, door: Any
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    stranger = factories.world("Stranger", of=at.integration)
    elsewhere = factories.world("Elsewhere", "other")
    unpermitted = factories.world("Unpermitted", of=at.integration, permissions=["connect"])
    assert door(platform, bearer(at)).status == 200
    before = len(upstream.requests)
    assert door(platform, {}).status == 401
    assert door(platform, {"Authorization": "Bearer pbk_wrong"}).status == 401
    assert door(platform, {"Authorization": "Basic !"}).status == 401
    assert door(platform, {"Authorization": "Digest x"}).status == 401
    got = door(platform, bearer(unpermitted))
    assert (got.status, problem(got.body)["code"]) == (403, "permission_denied")
    got = door(platform, bearer(stranger))
    assert (got.status, problem(got.body)["code"]) == (404, "connection_not_found")
    nobody = door(platform, bearer(stranger), "nobody")
    assert _without_ids(got) == _without_ids(nobody)
    got = door(platform, bearer(elsewhere))
    assert (got.status, problem(got.body)["code"]) == (404, "not_found")
    assert len(upstream.requests) == before


def _without_ids(got: RawReply) -> tuple[int, dict[str, Any]]:
    body = problem(got.body)
    del body["requestId"]
    return got.status, body


def test_a_401_challenges_and_names_whose_failure_it_is(platform: Served, at: World) -> None:
    got = by_passthrough(platform, {})
    assert "Bearer" in (got.get("WWW-Authenticate") or "")
    assert got.get("Proxy-Status") == "patchbay; error=http_request_error"
    assert got.get("Content-Type") == "application/problem+json"
    assert got.get("X-Request-Id") == problem(got.body)["requestId"]


def test_every_way_to_authenticate_works_at_both_doors(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    new = at.new_credential
    basic = base64.b64encode(f"{new.credential.client_id}:{new.client_secret}".encode()).decode()
    issued, _ = credentials.issue_token(new.credential, now=timezone.now())
    for value in (f"Bearer {at.api_key}", f"bearer {issued}", f"Basic {basic}", f"token {at.api_key}"):
        for door in DOORS:
            assert door(platform, {"Authorization": value}).status == 200
    for request in upstream.requests:
        assert at.api_key.encode() not in request
        assert request.count(TOKEN.encode()) == 1


def test_the_key_may_stand_in_the_providers_own_places(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    for _ in ("cold", "hot"):
        got = platform.call("GET", f"/proxy/hbdev/cust/x?a=1&hapikey={at.api_key}")
        assert (got.status, head_of(upstream.requests[-1])[0]) == (200, b"GET /x?a=1 HTTP/1.1")
        assert (
            platform.call("GET", "/proxy/hbdev/cust/x", {"X-Shopify-Access-Token": at.api_key}).status == 401
        )


def test_prx_12_a_key_in_the_url_of_an_envelope_does_not_go_on(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    url = f"/x?a=1&hapikey={at.api_key}&h%61pikey=other&b=%20"
    envelope = {
        "userForeignIdentifier": "cust",
        "method": "GET",
        "url": url,
        "query": {"hapikey": at.api_key},
    }
    got = platform.call("POST", "/proxy/hbdev", bearer(at), json.dumps(envelope).encode())
    assert (got.status, head_of(upstream.requests[-1])[0]) == (200, b"GET /x?a=1&b=%20 HTTP/1.1")


def test_shopifys_own_header_carries_the_key_in_and_the_token_out(
    platform: Served, at: World, provider: Serve
) -> None:
    shop = factories.world("Shop", of=factories.integration("shop", "shopify", client_id="c3"))
    factories.connection(shop, "cust", access_token=TOKEN, connection_config={"shop": "acme"})
    upstream = provider(replying(reply(body=b"ok")), origin="https://acme.myshopify.com")
    for _ in ("cold", "hot"):
        got = platform.call(
            "GET", "/proxy/shop/cust/admin/x.json", {"X-Shopify-Access-Token": shop.api_key, "X-A": "1"}
        )
        assert got.status == 200
        assert head_of(upstream.requests[-1]) == [
            b"GET /admin/x.json HTTP/1.1",
            b"Host: acme.myshopify.com",
            b"x-a: 1",
            b"x-shopify-access-token: " + TOKEN.encode(),
        ]


@pytest.mark.parametrize("identifier", ["a b/c%2Fd", "🦊", "x" * 1_024, "100%", "user+1@example.com", "日本"])
def test_awkward_identifiers_work_at_every_door(
    platform: Served, at: World, provider: Serve, identifier: str
) -> None:
    factories.connection(at, identifier, access_token=TOKEN)
    provider(replying(reply(body=b"ok")))
    assert by_passthrough(platform, bearer(at), quote(identifier, safe="")).status == 200
    assert by_envelope(platform, bearer(at), identifier).status == 200
    assert by_stackgo(platform, bearer(at), identifier).status == 200


@pytest.mark.parametrize("identifier", ["", "x" * 1_025, "a%00b", "..", "%2e%2e", ".", "%ff", "a%0Ab"])
def test_identifiers_that_cannot_be_are_refused_by_name(
    platform: Served, at: World, cust: Connection, identifier: str
) -> None:
    got = by_passthrough(platform, bearer(at), identifier)
    assert (got.status, problem(got.body)["field"]) == (400, "userForeignIdentifier")


def test_the_second_door_takes_a_uuid(platform: Served, at: World, cust: Connection, provider: Serve) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    headers = {**bearer(at), "Patchbay-Connection": str(cust.pk)}
    for _ in ("cold", "hot"):
        assert platform.call("GET", "/proxy/hbdev/~/crm/x", headers).status == 200
    assert head_of(upstream.requests[-1])[0] == b"GET /crm/x HTTP/1.1"
    got = platform.call("GET", "/proxy/hbdev/~/crm", bearer(at))
    assert (got.status, problem(got.body)["field"]) == (400, "Patchbay-Connection")
    got = platform.call("GET", "/proxy/hbdev/~/crm", {**bearer(at), "Patchbay-Connection": str(uuid.uuid4())})
    assert (got.status, problem(got.body)["code"]) == (404, "connection_not_found")
    got = platform.call("GET", "/proxy/hbdev/other/crm", headers)
    assert (got.status, problem(got.body)["field"]) == (400, "Patchbay-Connection")
    got = platform.call("GET", "/proxy/hbdev/~/crm", {**headers, "Patchbay-Connection-Name": "other"})
    assert (got.status, problem(got.body)["field"]) == (400, "Patchbay-Connection-Name")


def test_a_uuid_of_another_partner_or_slug_is_not_there(
    platform: Served, at: World, cust: Connection
) -> None:
    stranger = factories.world("Stranger", of=at.integration)
    second = factories.integration("second", client_id="c2")
    IntegrationGrant.objects.create(credential=at.credential, integration=second)
    for headers, slug in ((bearer(stranger), "hbdev"), (bearer(at), "second")):
        got = platform.call("GET", f"/proxy/{slug}/~/x", {**headers, "Patchbay-Connection": str(cust.pk)})
        assert (got.status, problem(got.body)["code"]) == (404, "connection_not_found")


def test_several_accounts_are_told_apart_by_name(platform: Served, at: World, provider: Serve) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    for name in ("eu", "us"):
        factories.connection(at, "multi", access_token=f"token-{name}", name=name)
    got = by_passthrough(platform, bearer(at), "multi")
    assert (got.status, problem(got.body)["code"]) == (400, "connection_ambiguous")
    assert problem(got.body)["names"] == ["eu", "us"]
    for name in ("eu", "us", "eu"):
        got = by_passthrough(platform, {**bearer(at), "Patchbay-Connection-Name": name}, "multi")
        assert got.status == 200
        assert f"token-{name}".encode() in upstream.requests[-1]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.PENDING, (404, "connection_not_found")),
        (Status.DISCONNECTED, (404, "connection_not_found")),
        (Status.PAUSED, (423, "connection_paused")),
        (Status.RECONNECT_REQUIRED, (424, "reconnect_required")),
    ],
)
def test_the_status_of_the_connection_decides(
    platform: Served, at: World, cust: Connection, provider: Serve, status: Status, code: tuple[int, str]
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    assert by_passthrough(platform, bearer(at)).status == 200
    Connection.objects.filter(pk=cust.pk).update(status=status)
    wait_until_seen()
    for door in DOORS:
        got = door(platform, bearer(at))
        assert (got.status, problem(got.body)["code"]) == code
    assert len(upstream.requests) == 1


def _revoke(at: World, cust: Connection) -> None:
    credentials.revoke(at.credential, actor=ACTOR)


def _ungrant(at: World, cust: Connection) -> None:
    IntegrationGrant.objects.filter(credential=at.credential).delete()


def _disconnect(at: World, cust: Connection) -> None:
    connections.disconnect(cust, actor=ACTOR)


def _unpermit(at: World, cust: Connection) -> None:
    type(at.credential).objects.filter(pk=at.credential.pk).update(permissions=["connect"])


def _disable(at: World, cust: Connection) -> None:
    type(at.integration).objects.filter(pk=at.integration.pk).update(is_enabled=False)


def _deactivate(at: World, cust: Connection) -> None:
    type(at.partner).objects.filter(pk=at.partner.pk).update(is_active=False)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (_revoke, 401),
        (_deactivate, 401),
        (_ungrant, 404),
        (_disconnect, 404),
        (_unpermit, 403),
        (_disable, 404),
    ],
)
def test_what_ends_ends_with_the_very_next_call_on_sqlite_and_in_two_seconds_elsewhere(
    platform: Served, at: World, cust: Connection, provider: Serve, end: Any, status: int
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    for _ in range(3):
        assert by_passthrough(platform, bearer(at)).status == 200
        assert by_envelope(platform, bearer(at)).status == 200
    before = len(upstream.requests)
    end(at, cust)
    wait_until_seen()
    assert by_passthrough(platform, bearer(at)).status == status
    assert by_envelope(platform, bearer(at)).status == status
    assert b"/x" not in b"".join(head_of(request)[0] for request in upstream.requests[before:])


def test_an_issued_token_ends_with_its_row(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(replying(reply(body=b"ok")))
    issued, _ = credentials.issue_token(at.credential, now=timezone.now())
    assert by_passthrough(platform, {"Authorization": f"Bearer {issued}"}).status == 200
    IssuedToken.objects.all().delete()
    wait_until_seen()
    assert by_passthrough(platform, {"Authorization": f"Bearer {issued}"}).status == 401


def test_the_number_of_envelopes_in_flight_is_bounded(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here,) = plane._planes.values()
    monkeypatch.setattr(here.limits, "envelopes", Places(0))
    upstream = provider(replying(reply(body=b"ok")))
    got = by_envelope(platform, bearer(at))
    assert (got.status, problem(got.body)["code"], got.get("Retry-After")) == (503, "saturated", "1")
    assert got.get("Proxy-Status") == "patchbay; error=connection_limit_reached"
    assert by_passthrough(platform, bearer(at)).status == 200
    monkeypatch.setattr(here.limits, "envelopes", Places(1))
    for _ in range(5):
        assert by_envelope(platform, bearer(at)).status == 200
        assert by_envelope(platform, bearer(at), "nobody").status == 404
    assert len(upstream.requests) == 6


def test_closed_paths_and_foreign_hosts_are_refused_cold_and_hot(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    for _ in ("cold", "hot"):
        for path, headers in (
            ("/oauth/v1/token", {}),
            ("/%6fauth/v1/token", {}),
            ("/x", {"Patchbay-Host": "evil.example"}),
            ("/x", {"Patchbay-Host": "127.0.0.1:8100"}),
        ):
            got = platform.call("GET", f"/proxy/hbdev/cust{path}", {**bearer(at), **headers})
            assert (got.status, problem(got.body)["code"]) == (403, "destination_not_allowed")
            assert got.get("Proxy-Status") == "patchbay; error=http_request_denied"
        got = platform.call("GET", "/proxy/hbdev/cust/a/%2e%2e/b", bearer(at))
        assert (got.status, problem(got.body)["field"]) == (400, "path")
        assert platform.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
    assert len(upstream.requests) == 2


def test_another_allowed_host_is_reached_by_patchbay_host(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply(body=b"ok")), origin="https://api.hsforms.com")
    for _ in ("cold", "hot"):
        headers = {**bearer(at), "Patchbay-Host": "api.hsforms.com"}
        assert platform.call("GET", "/proxy/hbdev/cust/submissions", headers).status == 200
    assert head_of(upstream.requests[-1])[1] == b"Host: api.hsforms.com"


def test_a_providers_own_fields_fill_in_for_what_the_caller_leaves_out(
    platform: Served, at: World, provider: Serve
) -> None:
    xero = factories.world("Books", of=factories.integration("books", "xero", client_id="c4"))
    factories.connection(xero, "cust", access_token=TOKEN, captured={"tenant_id": "t-1"})
    upstream = provider(replying(reply(body=b"ok")), origin="https://api.xero.com")
    for _ in ("cold", "hot"):
        platform.call("GET", "/proxy/books/cust/api.xro/2.0/Invoices", bearer(xero))
        lines = head_of(upstream.requests[-1])
        assert b"accept: application/json" in lines
        assert b"xero-tenant-id: t-1" in lines
        platform.call(
            "GET", "/proxy/books/cust/x", {**bearer(xero), "Accept": "text/xml", "Xero-Tenant-Id": "t-2"}
        )
        lines = head_of(upstream.requests[-1])
        assert [line for line in lines if line.startswith((b"accept:", b"xero-tenant-id:"))] == [
            b"accept: text/xml",
            b"xero-tenant-id: t-2",
        ]


@pytest.mark.parametrize("told", ["tenänt", "t\r\nX-Evil: 1"], ids=["letters", "line end"])
def test_what_no_field_can_hold_is_left_out_of_a_call(
    platform: Served, at: World, provider: Serve, told: str
) -> None:
    """An account may call itself anything."""
    xero = factories.world("Books", of=factories.integration("books", "xero", client_id="c4"))
    made = factories.connection(xero, "cust", access_token=TOKEN)
    Connection.objects.filter(pk=made.pk).update(provider_account_data={"tenant_id": told})
    upstream = provider(replying(reply(body=b"ok")), origin="https://api.xero.com")
    assert platform.call("GET", "/proxy/books/cust/x", bearer(xero)).status == 200
    lines = head_of(upstream.requests[-1])
    assert not [line for line in lines if line.lower().startswith((b"xero-tenant-id", b"x-evil"))]


def test_a_connection_without_what_its_address_is_made_of_needs_the_customer(
    platform: Served, at: World, provider: Serve
) -> None:
    shop = factories.world("Shop", of=factories.integration("shop", "shopify", client_id="c3"))
    factories.connection(shop, "cust", access_token=TOKEN)
    got = platform.call("GET", "/proxy/shop/cust/admin/x.json", bearer(shop))
    assert (got.status, problem(got.body)["code"]) == (424, "reconnect_required")
    assert "/reconnect/" in problem(got.body)["reconnectUrl"]


def test_an_envelope_takes_its_time_limit_from_the_header(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(lambda talk: time.sleep(3))
    got = by_envelope(platform, {**bearer(at), "Patchbay-Timeout": "0.5"})
    assert (got.status, problem(got.body)["code"]) == (504, "upstream_timeout")
    got = by_envelope(platform, {**bearer(at), "Patchbay-Timeout": "121"})
    assert (got.status, problem(got.body)["field"]) == (400, "Patchbay-Timeout")
