"""Hosts that are a connection's own come from checked values alone, however and whenever these arrive (CON-19)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations import catalogue
from integrations.catalogue import InvalidConnectionField
from integrations.errors import ReconnectRequired
from integrations.models import Connection
from integrations.models.connection import Status
from proxy import routes
from proxy.selectors import Selector
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import of, problem
from tests.integrations.providers.conftest import Walk, walk
from tests.provider_server import ProviderServer

__all__ = ["walk"]

#: for a field that is one label of a host: `https://{it}.myshopify.com`
LABELS = {
    "fragment": "evil.example/#",
    "query": "evil.example:443/x?",
    "userinfo": "a@evil.example",
    "path": "evil/x",
    "port": "evil:8443",
    "two-labels": "a.b",
    "dot": "shop.",
    "dots": "..",
    "backslash": "evil\\",
    "escape": "a%2eb",
    "escaped-slash": "evil%2f",
    "url": "https://evil.example",
    "relative": "//evil.example",
    "brackets": "[::1]",
    "ipv4": "127.0.0.1",
    "placeholder": "{shop}",
    "punycode": "xn--shp-8la",
    "cyrillic": "\u0455hop",
    "full-width": "\uff53hop",
    "full-stop": "evil\u3002example",
    "zero-width": "shop\u200b",
    "soft-hyphen": "sh\u00adop",
    "kelvin": "boo\u212a",
    "line": "shop\r\nHost: evil.example",
    "nul": "shop\x00",
    "tab": "sh\top",
    "blank": "sh op",
    "hyphen-first": "-shop",
    "hyphen-last": "shop-",
    "semicolon": "shop;x",
    "comma": "shop,evil",
    "star": "*",
    "underscore": "my_shop",
    "long": "a" * 64,
}
#: for a host that the provider tells: `https://{it}` below one of its domains
HOSTS = {
    "other": "https://evil.example",
    "suffix": "https://acme{suffix}.evil.example",
    "glued": "https://evil{bare}",
    "bare": "https://{bare}",
    "port": "https://acme{suffix}:8443",
    "userinfo": "https://user@acme{suffix}",
    "userinfo-other": "https://acme{suffix}@evil.example",
    "path": "https://evil.example/{suffix}",
    "query": "https://evil.example?x={suffix}",
    "fragment": "https://evil.example#{suffix}",
    "backslash": "https://evil.example\\{suffix}",
    "escape": "https://evil.example%2f{suffix}",
    "clear-text": "http://acme{suffix}",
    "other-scheme": "ftp://acme{suffix}",
    "relative": "//acme{suffix}",
    "dot": "https://acme{suffix}.",
    "empty-label": "https://.{suffix}",
    "punycode": "https://xn--{suffix}",
    "cyrillic": "https://\u0430cme{suffix}",
    "full-stop": "https://evil\u3002example{suffix}",
    "full-width-slash": "https://evil.example\uff0f{suffix}",
    "line": "https://acme{suffix}\r\nHost: evil.example",
    "blank": "https://evil.example {suffix}",
    "list": "https://evil.example,acme{suffix}",
    "ipv4": "https://127.0.0.1",
    "ipv6": "https://[::1]{suffix}",
}
PIPEDRIVE = ("api_domain", "pipedrive", ".pipedrive.com")
SALESFORCE = ("instance_url", "salesforce", ".salesforce.com")
IMPORT = {"userForeignIdentifier": "tenant-42", "accessToken": "CImported0123456789", "neverExpires": True}


def shop(world: World) -> World:
    made = factories.integration("shop-dev", "shopify", client_id="shopify-client")
    world.credential.integration_grants.create(integration=made)
    return World(world.partner, world.new_credential, made, made.current_client())


def written(template: str, suffix: str) -> str:
    return template.replace("{suffix}", suffix).replace("{bare}", suffix.removeprefix("."))


@pytest.mark.parametrize("value", LABELS.values(), ids=LABELS.keys())
def test_con_19_a_link_takes_no_hostile_label(world: World, value: str) -> None:
    at = shop(world)
    body = {"appSlug": "shop-dev", "userForeignIdentifier": "t", "connectionConfig": {"shop": value}}
    got = of(at).post("/api/v1/connect-links", body)
    assert (got.status_code, got.json()["code"]) == (400, "invalid_request")
    query = {"userForeignIdentifier": "t", "redirect": "false", "shop": value}
    assert of(at).get("/api/shopify/auth/shop-dev", **query).status_code == 400
    assert not Connection.objects.exists()


@pytest.mark.parametrize("value", LABELS.values(), ids=LABELS.keys())
def test_con_19_an_import_takes_no_hostile_label(world: World, value: str) -> None:
    body = {**IMPORT, "appSlug": "shop-dev", "connectionConfig": {"shop": value}}
    got = of(shop(world)).post("/api/v1/connections/import", body)
    assert (got.status_code, got.json()["code"]) == (400, "invalid_request")
    assert not Connection.objects.exists()


@pytest.mark.parametrize("provider_id", ["pipedrive", "salesforce"])
@pytest.mark.parametrize("template", HOSTS.values(), ids=HOSTS.keys())
def test_con_19_an_import_takes_no_hostile_host(world: World, template: str, provider_id: str) -> None:
    made = factories.integration("of-dev", provider_id, client_id="0123456789abcdef")
    world.credential.integration_grants.create(integration=made)
    rule = made.provider.oauth.token_captures[0]
    value = written(template, rule.allowed_host_suffixes[0])
    body = {**IMPORT, "appSlug": "of-dev", "providerData": {rule.store_as: value}}
    got = of(world).post("/api/v1/connections/import", body)
    problem(got, 400, "invalid_request", f"providerData.{rule.store_as}")
    assert not Connection.objects.exists()


@pytest.mark.parametrize("template", HOSTS.values(), ids=HOSTS.keys())
@pytest.mark.parametrize(
    ("path", "provider_id", "suffix"), [PIPEDRIVE, SALESFORCE], ids=["pipedrive", "salesforce"]
)
def test_cal_16_a_hostile_host_in_the_token_s_answer_ends_the_attempt(
    walk: Any, provider_server: ProviderServer, path: str, provider_id: str, suffix: str, template: str
) -> None:
    """The token is shown to nobody but the token endpoint that gave it."""
    walked: Walk = walk(provider_id)
    token_endpoint = walked.integration.provider.oauth.token_endpoint
    answer = {
        "access_token": "t-1", "token_type": "Bearer", "refresh_token": "r-1", "expires_in": 3600, "scope": "api",
        path: written(template, suffix),
    }  # fmt: skip
    provider_server.on("POST", token_endpoint, answer)
    walked.leave()
    finished = walked.come_back()
    assert (finished.outcome, finished.reason) == ("failed", "bad_parameter")
    assert [request.url for request in provider_server.requests] == [token_endpoint]
    assert (walked.connection().status, walked.connection().access_token) == (Status.PENDING, None)


@pytest.mark.parametrize("template", HOSTS.values(), ids=HOSTS.keys())
def test_con_19_a_row_that_holds_a_hostile_host_has_no_route(world: World, template: str) -> None:
    """Whoever writes to the database past the checks leads no call elsewhere."""
    made = factories.integration("of-dev", "salesforce", client_id="0123456789abcdef")
    world.credential.integration_grants.create(integration=made)
    at = World(world.partner, world.new_credential, made, made.current_client())
    host = written(template, ".salesforce.com").removeprefix("https://")
    factories.connection(at, "cust", captured={"instance_host": host})
    with pytest.raises(ReconnectRequired) as refused:
        routes.resolve(world.credential, Selector("of-dev", "cust", None, None))
    assert refused.value.reason == "address_unknown"


@pytest.mark.parametrize("value", LABELS.values(), ids=LABELS.keys())
def test_con_19_a_row_that_holds_a_hostile_label_has_no_route(world: World, value: str) -> None:
    at = shop(world)
    factories.connection(at, "cust", connection_config={"shop": value})
    with pytest.raises(ReconnectRequired) as refused:
        routes.resolve(world.credential, Selector("shop-dev", "cust", None, None))
    assert refused.value.reason == "address_unknown"


@pytest.mark.parametrize("value", LABELS.values(), ids=LABELS.keys())
def test_con_19_a_subdomain_is_one_label_even_where_its_pattern_is_loose(value: str) -> None:
    """As an operator's own entry for Zendesk could be written."""
    shopify = catalogue.get("shopify")
    field = replace(shopify.connection_fields[0], name="subdomain", pattern=r"(?s).*")
    api = replace(shopify.api, base_url="https://{subdomain}.zendesk.com", hosts=("{subdomain}.zendesk.com",))
    zendesk = replace(shopify, connection_fields=(field,), api=api)
    for resolve in (catalogue.resolve_base_url, catalogue.resolve_hosts):
        with pytest.raises(InvalidConnectionField):
            resolve(zendesk, {"subdomain": value})


def test_con_19_a_plain_label_leads_to_its_own_host_alone(world: World) -> None:
    at = shop(world)
    factories.connection(at, "cust", connection_config={"shop": "my-shop-1"})
    destination = routes.resolve(world.credential, Selector("shop-dev", "cust", None, None)).destination
    assert (destination.base.origin, destination.rules.hosts) == (
        "https://my-shop-1.myshopify.com", frozenset({"my-shop-1.myshopify.com"}),
    )  # fmt: skip
