"""Shopify: the customer names the shop, Shopify signs the callback, and its API has a header of its own."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from integrations import catalogue, connect
from integrations.errors import InvalidInput
from integrations.models import AuthorizationAttempt, Connection
from integrations.models.connection import Status
from integrations.representation import reconnect_url
from tests.integrations.providers.conftest import (
    CLIENT_SECRET,
    check_authorize_url,
    check_token_call,
    disconnected,
    refreshed,
)
from tests.provider_server import ProviderServer

SHOP = "my-shop-1.myshopify.com"
TOKEN = f"https://{SHOP}/admin/oauth/access_token"
SHOP_JSON = f"https://{SHOP}/admin/api/2026-10/shop.json"
UNINSTALL = f"https://{SHOP}/admin/api_permissions/current.json"
TOKENS = {
    "access_token": "shpat-1",
    "scope": "write_orders,read_products",
    "expires_in": 3600,
    "refresh_token": "shprt-1",
    "refresh_token_expires_in": 7776000,
}


@pytest.fixture
def shopify(walk: Any) -> Any:
    return walk("shopify", scopes=("read_products", "write_orders"))


def script(server: ProviderServer) -> None:
    server.on("POST", TOKEN, TOKENS, {**TOKENS, "access_token": "shpat-2", "refresh_token": "shprt-2"})
    server.on("GET", SHOP_JSON, {"shop": {"id": 548380009, "name": "John Smith", "domain": "shop.example"}})
    server.on("DELETE", UNINSTALL, {})


def signed(state: str, *, secret: str = CLIENT_SECRET, **changes: str) -> str:
    """The callback's query as Shopify's pages tell: HMAC-SHA256 in hex over the sorted other parameters."""
    parameters = {
        "code": "0907a61c0c8d55e99db179b68161bc00",
        "host": "YWRtaW4uc2hvcGlmeS5jb20vc3RvcmUvbXktc2hvcC0x",
        "shop": SHOP,
        "state": state,
        "timestamp": "1337178173",
        **changes,
    }
    message = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    digest = hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    return urlencode({"code": parameters.pop("code"), "hmac": digest, **parameters})


def connected(shopify: Any) -> Connection:
    script(shopify.server)
    shopify.leave(shopify.link(connection_config={"shop": "my-shop-1"}))
    finished = shopify.come_back_raw(signed(shopify.state))
    assert (finished.outcome, finished.warning) == ("connected", "")
    made: Connection = shopify.connection()
    return made


def test_con_04_the_authorize_url_is_the_shop_s_and_scopes_have_commas(shopify: Any) -> None:
    check_authorize_url(
        shopify.leave(shopify.link(connection_config={"shop": "my-shop-1"})),
        f"https://{SHOP}/admin/oauth/authorize",
        {"redirect_uri": "http://localhost:8000/oauth/shopify-dev/callback"},
        has_pkce=True,
        raw_scope="read_products%2Cwrite_orders",
    )


def test_a_shop_connects_and_everything_about_it_is_kept(shopify: Any) -> None:
    made = connected(shopify)
    (call,) = shopify.server.received(TOKEN)
    check_token_call(
        call,
        auth="post",
        body="form",
        has_verifier=True,
        grant_type="authorization_code",
        code="0907a61c0c8d55e99db179b68161bc00",
        redirect_uri="http://localhost:8000/oauth/shopify-dev/callback",
        expiring="1",
    )
    (probe,) = shopify.server.received(SHOP_JSON)
    assert (probe.header("X-Shopify-Access-Token"), probe.header("Authorization")) == ("shpat-1", None)
    assert (made.provider_account_id, made.provider_account_name) == ("548380009", "John Smith")
    assert made.provider_account_url == f"https://{SHOP}/admin"
    assert made.provider_account_data == {"shop_id": "548380009", "shop_domain": "shop.example"}
    assert (made.connection_config, made.captured) == ({"shop": "my-shop-1"}, {"shop_host": SHOP})
    assert made.granted_scopes == ["write_orders", "read_products"]
    assert made.access_token_lifetime == 3600
    assert made.refresh_token_expires_at is not None and made.token_stored_at is not None
    assert (made.refresh_token_expires_at - made.token_stored_at).total_seconds() == 7776000
    provider, values = made.integration.provider, made.config_values()
    assert catalogue.resolve_base_url(provider, values) == f"https://{SHOP}"
    assert catalogue.resolve_hosts(provider, values) == {SHOP}


def test_a_read_scope_that_a_granted_write_scope_implies_is_not_missing(walk: Any) -> None:
    """Shopify leaves it out of the granted list."""
    shopify = walk("shopify", scopes=("read_orders", "write_orders", "read_products", "read_files"))
    assert connected(shopify).missing_scopes == ["read_files"]


def test_a_refresh_stores_the_rotated_pair(shopify: Any) -> None:
    assert refreshed(connected(shopify)) == ("shpat-2", "shprt-2")
    check_token_call(
        shopify.server.received(TOKEN)[1],
        auth="post",
        body="form",
        grant_type="refresh_token",
        refresh_token="shprt-1",
    )


def test_disconnecting_uninstalls_the_app(shopify: Any) -> None:
    assert disconnected(connected(shopify)) == "confirmed"
    (call,) = shopify.server.received(UNINSTALL)
    assert (call.method, call.body) == ("DELETE", b"")
    assert (call.header("X-Shopify-Access-Token"), call.header("Authorization")) == ("shpat-1", None)


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "another secret"},
        {"shop": "evil-shop.myshopify.com"},
        {"shop": "my-shop-1.myshopify.com.evil.example"},
        {"shop": "evil.example"},
    ],
    ids=["signed by another", "another shop", "a longer host", "another host"],
)
def test_a_callback_that_is_not_this_shop_s_ends_the_attempt_before_any_call(
    shopify: Any, change: dict[str, str]
) -> None:
    script(shopify.server)
    shopify.leave(shop="my-shop-1")
    finished = shopify.come_back_raw(signed(shopify.state, **change))
    assert (finished.outcome, finished.reason) == ("failed", "bad_parameter")
    assert shopify.server.requests == []
    assert shopify.connection().status == Status.PENDING


@pytest.mark.parametrize("tampering", ["&timestamp=1337178174", "&extra=1", ""])
def test_a_changed_or_unsigned_callback_ends_the_attempt_before_any_call(
    shopify: Any, tampering: str
) -> None:
    script(shopify.server)
    shopify.leave(shop="my-shop-1")
    query = signed(shopify.state)
    if tampering:
        query += tampering
    else:
        query = "&".join(pair for pair in query.split("&") if not pair.startswith("hmac="))
    finished = shopify.come_back_raw(query)
    assert (finished.outcome, finished.reason) == ("failed", "bad_parameter")
    assert shopify.server.requests == []


@pytest.mark.parametrize(
    "typed", ["evil.example/#", "evil.example:443/x?", "a@evil.example", "a.b", "", " ", "xn--shp-8la"]
)
def test_con_19_a_host_part_that_is_none_is_refused_before_any_call(shopify: Any, typed: str) -> None:
    script(shopify.server)
    with pytest.raises(InvalidInput) as refused:
        shopify.leave(shopify.link(), shop=typed)
    assert refused.value.field == "shop"
    if typed:
        with pytest.raises(InvalidInput) as refused:
            shopify.link(connection_config={"shop": typed})
        assert refused.value.field == "connectionConfig.shop"
    assert not AuthorizationAttempt.objects.exists()
    assert shopify.server.requests == []


def test_con_19_a_plain_label_is_accepted(shopify: Any) -> None:
    assert urlsplit(shopify.leave(shop="my-shop-1")).netloc == SHOP


def test_con_20_a_reconnect_starts_from_the_stored_shop(shopify: Any) -> None:
    """Same id, shop, scopes and customer; nothing is asked again, and the reason is cleared."""
    made = connected(shopify)
    Connection.objects.filter(pk=made.pk).update(
        status=Status.RECONNECT_REQUIRED, status_reason="revoked_at_provider", status_evidence="HTTP 400"
    )
    again = connect.find_link(connect.open_reconnect(reconnect_url(made).rsplit("/", 1)[1]).rsplit("/", 1)[1])
    assert connect.describe(again).fields == ()
    url = connect.start(again, browser_secret=shopify.browser.secret, values={}).authorization_url
    shopify.state = url.split("state=")[1].split("&")[0]
    assert "scope=read_products%2Cwrite_orders&" in url
    assert shopify.come_back_raw(signed(shopify.state)).outcome == "connected"
    after = shopify.connection()
    assert (after.pk, after.name, after.customer_id) == (made.pk, made.name, made.customer_id)
    assert (after.connection_config, after.captured) == (made.connection_config, made.captured)
    assert (after.status, after.status_reason, after.status_evidence) == (Status.ACTIVE, "", "")
    assert after.token_version == made.token_version + 1
    assert Connection.objects.count() == 1


def test_two_connections_to_one_shop_are_ended_by_the_last(shopify: Any) -> None:
    """Revoking uninstalls the app from the shop, for all of them."""
    first = connected(shopify)
    shopify.leave(shopify.link("customer-2"), shop="my-shop-1")
    assert shopify.come_back_raw(signed(shopify.state)).outcome == "connected"
    assert disconnected(first) == "unsupported"
    assert shopify.server.received(UNINSTALL) == []
    assert disconnected(shopify.connection()) == "confirmed"
