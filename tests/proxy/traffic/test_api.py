"""`GET /api/v1/traffic`: a partner's own calls, found by whatever it knows of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from accounts.models.partner import Permission
from integrations.models import IntegrationGrant
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import Api, of, problem, without
from tests.proxy.traffic.records import record, store

pytestmark = [pytest.mark.django_db, pytest.mark.db]
TRAFFIC = "/api/v1/traffic"
AT = datetime(2026, 11, 25, 10, 20, tzinfo=UTC)


@pytest.fixture
def api(world: World) -> Api:
    return of(world)


def keep(world: World, identifier: str | None = "tenant-42", **values: Any) -> Any:
    """Store one call of the world's credential; its request id."""
    connection = None
    if identifier is not None:
        connection = world.partner.connections.filter(
            customer__foreign_identifier=identifier
        ).first() or factories.connection(world, identifier)
    values.setdefault("slug", world.integration.slug)
    values.setdefault("request_id", f"{len(values):032x}")
    made = record(
        partner_id=world.partner.pk,
        credential_id=world.credential.pk,
        connection_id=None if connection is None else connection.pk,
        **values,
    )
    store([made])
    return connection


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [entry["requestId"] for entry in response.json()["results"]]


def test_a_call_is_told_as_a_partner_thinks_of_it(api: Api, world: World) -> None:
    connection = keep(
        world, method="POST", query="limit=5&email=a@b.example", request_id="ab12", began_at=AT.timestamp()
    )
    response = api.get(TRAFFIC)
    body = response.json()["results"][0]
    assert body.pop("id")
    assert body == {
        "at": "2026-11-25T10:20:00.012Z",
        "requestId": "ab12",
        "appSlug": "hbdev",
        "provider": "hubspot",
        "UUID": str(connection.pk),
        "userForeignIdentifier": "tenant-42",
        "clientId": world.credential.client_id,
        "door": "passthrough",
        "method": "POST",
        "host": "api.hubapi.com",
        "path": "/crm/v3/objects/contacts",
        "query": "limit=5&email=***",
        "status": 200,
        "code": None,
        "outcome": "completed",
        "requestBytes": 0,
        "replyBytes": 1024,
        "totalMs": 12.0,
        "upstreamMs": 10.0,
        "retries": 0,
        "refreshed": False,
    }
    assert response["Cache-Control"] == "no-store"


def test_nobody_sees_another_partners_calls(api: Api, world: World) -> None:
    other = factories.world("Other", of=world.integration)
    theirs = keep(other, "tenant-42", request_id="0ther")
    keep(world, "tenant-42", request_id="mine")
    assert ids(api.get(TRAFFIC)) == ["mine"]
    assert ids(api.get(TRAFFIC, UUID=str(theirs.pk))) == []
    assert ids(api.get(TRAFFIC, requestId="0ther")) == []
    assert ids(of(other).get(TRAFFIC)) == ["0ther"]


def test_a_credential_sees_calls_on_its_integrations_and_its_own(api: Api, world: World) -> None:
    second = factories.credential(world.partner, factories.integration("sfdev", client_id="another"))
    keep(world, request_id="good")
    keep(world, None, provider_id="", slug="typo", status=404, code="not_found", request_id="typo")
    mine = record(
        partner_id=world.partner.pk, credential_id=second.credential.pk, slug="sfdev", request_id="second"
    )
    store([mine])
    assert sorted(ids(api.get(TRAFFIC))) == ["good", "typo"]
    assert ids(Api(f"Bearer {second.api_key}").get(TRAFFIC)) == ["second"]
    IntegrationGrant.objects.create(credential=second.credential, integration=world.integration)
    assert sorted(ids(Api(f"Bearer {second.api_key}").get(TRAFFIC))) == ["good", "second"]


def test_no_one_and_who_may_not_are_refused(world: World) -> None:
    for path in (TRAFFIC, f"{TRAFFIC}/hours"):
        problem(Api(None).get(path), 401, "not_authenticated")
        problem(without(world, Permission.CONNECTIONS_READ).get(path), 403, "permission_denied")


def test_each_filter_finds_what_it_says(api: Api, world: World) -> None:
    moments = {"old": AT - timedelta(days=1), "new": AT}
    first = keep(
        world, "one", request_id="old", began_at=moments["old"].timestamp(), status=404, method="DELETE"
    )
    keep(world, "two", request_id="new", began_at=moments["new"].timestamp(), status=503, code="saturated")
    for query, found in (
        ({"appSlug": "hbdev"}, ["new", "old"]),
        ({"userForeignIdentifier": "one"}, ["old"]),
        ({"userForeignIdentifier": "three"}, []),
        ({"UUID": str(first.pk)}, ["old"]),
        ({"status": "404"}, ["old"]),
        ({"status": "4xx"}, ["old"]),
        ({"status": "5xx"}, ["new"]),
        ({"status": "2xx"}, []),
        ({"method": "DELETE"}, ["old"]),
        ({"code": "saturated"}, ["new"]),
        ({"requestId": "old"}, ["old"]),
        ({"since": "2026-11-25T00:00:00Z"}, ["new"]),
        ({"until": "2026-11-25T01:00:00+01:00"}, ["old"]),
        ({"status": "5xx", "method": "GET", "appSlug": "hbdev"}, ["new"]),
    ):
        assert ids(api.get(TRAFFIC, **query)) == found, query


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "6xx"),
        ("status", "4xxx"),
        ("method", "get"),
        ("code", "nonsense"),
        ("since", "yesterday"),
        ("since", "2026-11-25"),
        ("until", "0001-01-01T00:00:00+14:00"),
        ("UUID", "x"),
        ("requestId", "a b"),
        ("cursor", "cD0yMDI2LTAxLTAxKzAwJTNBMDA="),
        ("limit", "0"),
        ("userForeignIdentifier", ""),
        ("partner", "x"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(api: Api, name: str, value: str) -> None:
    problem(api.get(TRAFFIC, **{name: value}), 400, "invalid_request", name)


def test_an_integration_that_is_not_the_credentials_is_not_there(api: Api) -> None:
    problem(api.get(TRAFFIC, appSlug="sfdev"), 404, "not_found")
    problem(api.get(f"{TRAFFIC}/hours", appSlug="sfdev"), 404, "not_found")


def test_pages_follow_each_other_while_calls_come_in(api: Api, world: World) -> None:
    for number in range(5):
        keep(world, request_id=str(number), began_at=(AT + timedelta(seconds=number)).timestamp())
    seen: list[str] = []
    response = api.get(TRAFFIC, limit=2)
    while True:
        seen += ids(response)
        following = response.json()["next"]
        if following is None:
            break
        keep(world, request_id=f"later{len(seen)}", began_at=(AT + timedelta(hours=1)).timestamp())
        parts = urlsplit(following)
        response = api.get(f"{parts.path}?{parts.query}")
    assert seen == ["4", "3", "2", "1", "0"]


def test_a_page_costs_few_statements(api: Api, world: World, django_assert_max_num_queries: Any) -> None:
    for number in range(20):
        keep(world, f"tenant-{number}", request_id=str(number))
    with django_assert_max_num_queries(6):
        assert len(ids(api.get(TRAFFIC))) == 20


def test_hours_are_told_with_percentiles(api: Api, world: World) -> None:
    other = factories.world("Other", of=world.integration)
    keep(other, "x", began_at=AT.timestamp())
    keep(world, began_at=AT.timestamp(), ended=100.009)
    keep(world, began_at=AT.timestamp(), status=502, code="upstream_unreachable")
    response = api.get(f"{TRAFFIC}/hours", since="2026-11-25T09:00:00Z", until="2026-11-25T10:30:00Z")
    assert response.status_code == 200
    first, second = response.json()["results"]
    assert (first["hour"], first["calls"], first["p50Ms"]) == ("2026-11-25T09:00:00.000Z", 0, None)
    assert (second["calls"], second["ours"], second["statuses"]) == (2, 1, {"2xx": 1, "5xx": 1})
    assert (second["p50Ms"], second["replyBytes"]) == (10.0, 2048)


def test_hours_are_the_last_24_unless_asked_for_others(api: Api) -> None:
    assert len(api.get(f"{TRAFFIC}/hours").json()["results"]) == 24
    span = {"since": "2026-10-01T00:00:00Z", "until": "2026-11-25T00:00:00Z"}
    problem(api.get(f"{TRAFFIC}/hours", **span), 400, "invalid_request", "since")
