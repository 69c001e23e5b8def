"""The owner's paths of every provider: refused before anything is sent, and their neighbours pass."""

from __future__ import annotations

import json

import pytest

from integrations import catalogue
from tests.proxy.conftest import TOKEN
from tests.proxy.hostile import catalogued
from tests.proxy.hostile.conftest import Place
from tests.proxy.hostile.providers import CLOSED, OPEN, ORIGINS
from tests.proxy.servers import RawReply

pytestmark = pytest.mark.served

CLOSED_ROWS = [(provider, path) for provider, paths in CLOSED.items() for path in paths]
OPEN_ROWS = [(provider, path) for provider, paths in OPEN.items() for path in paths]


def calls(place: Place, provider: str, path: str) -> list[RawReply]:
    """Through the passthrough, and with an envelope that names the whole URL."""
    base = "/api" if provider == "slack" else ""
    envelope = {"userForeignIdentifier": "cust", "method": "POST", "url": ORIGINS[provider] + base + path}
    content = json.dumps(envelope).encode()
    return [
        place.passthrough(f"/proxy/of-{provider}/cust{path}"),
        place.post(f"/api/v1/proxy/of-{provider}", content, "application/json"),
    ]


@pytest.mark.parametrize(("provider", "path"), CLOSED_ROWS)
def test_prx_36_a_closed_path_of_a_provider_gets_no_token(place: Place, provider: str, path: str) -> None:
    for got in calls(place, provider, path):
        assert (got.status, json.loads(got.body)["code"]) == (403, "destination_not_allowed")
        assert TOKEN.encode() not in got.raw + got.body
    assert place.arrived() == []
    assert place.network.elsewhere == []


@pytest.mark.parametrize(("provider", "path"), OPEN_ROWS)
def test_what_only_looks_alike_stays_open(place: Place, provider: str, path: str) -> None:
    assert [got.status for got in calls(place, provider, path)] == [200, 200]
    arrived = place.arrived()
    base = "/api" if provider == "slack" else ""
    assert [found.url for found in arrived] == [ORIGINS[provider] + base + path] * 2
    for found in arrived:
        assert found.request.count(TOKEN.encode()) == 1
        assert place.at.api_key.encode() not in found.request


@pytest.mark.parametrize(
    ("provider", "path", "instead"),
    [
        ("microsoft", "/v1.0/$batch", "one by one"),
        ("google", "/batch/drive/v3", "one by one"),
        ("servicenow", "/api/now/v1/batch", "one by one"),
        ("salesforce", "/services/data/v59.0/composite/batch", "composite/sobjects"),
        ("salesforce", "/services/Soap/u/59.0", "REST"),
    ],
)
def test_a_closed_batch_says_what_to_do_instead(place: Place, provider: str, path: str, instead: str) -> None:
    for got in calls(place, provider, path):
        assert instead in json.loads(got.body)["detail"]
    assert place.arrived() == []


@pytest.mark.parametrize(
    ("provider", "names"),
    [
        ("google", ["access_token", "oauth_token"]),
        ("microsoft", ["access_token"]),
        ("procore", ["access_token", "bearer_token"]),
        ("salesforce", ["oauth_token"]),
        ("slack", ["token"]),
    ],
)
def test_a_query_field_that_would_take_the_credential_s_place_does_not_go_on(
    place: Place, provider: str, names: list[str]
) -> None:
    for name in names:
        for written in (name, f"{name[:-1]}%{ord(name[-1]):x}"):
            query = f"a=1&{written}=another-token&b=2"
            statuses = [got.status for got in calls(place, provider, f"/open/x?{query}")]
            assert statuses == [200, 200], name
            for found in place.arrived():
                assert found.url.endswith("/open/x?a=1&b=2"), name
                assert b"another-token" not in found.request


def test_every_provider_of_the_table_is_in_the_hostile_world(place: Place) -> None:
    """Its closed paths stand in its table, or in its file of replies, of which each provider without one has some."""
    tried = {"hubspot", *CLOSED, *(entry.id for entry in catalogued.ENTRIES if entry.closed)}
    closing = {provider.id for provider in catalogue.all_providers() if provider.api.closed_paths}
    assert closing - tried == set()
