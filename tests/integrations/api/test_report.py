"""`GET /connections/{UUID}/report`: its shape, and who may read it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from integrations import connections
from integrations.api.replies import ReportReply
from integrations.models import GrantIncident
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.api.conftest import Api, of, problem, same_but_for_the_request, without

pytestmark = pytest.mark.db
CONNECTIONS = "/api/v1/connections"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def incident(world: World) -> GrantIncident:
    return GrantIncident.objects.create(
        connection=factories.connection(world),
        at=timezone.now(),
        verdict="temporary",
        rule="HTTP 503 is temporary whatever the body says",
        http_status=503,
        evidence="the token endpoint refused: HTTP 503",
        process="worker",
        token_version=1,
    )


def test_the_owner_reads_the_report_with_exactly_the_members_of_the_schema(api: Api, world: World) -> None:
    made = incident(world).connection
    response = api.get(f"{CONNECTIONS}/{made.pk}/report")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert set(body) == set(ReportReply().fields)
    assert set(body["lifetimes"]) == set(ReportReply().fields["lifetimes"].fields)
    known = set(ReportReply().fields["timeline"].child.fields)
    (entry,) = body["timeline"]
    assert set(entry) <= known
    assert (entry["kind"], entry["verdict"], entry["httpStatus"]) == ("failed", "temporary", 503)
    assert made.access_token.open().reveal().encode() not in response.content


def test_every_kind_of_entry_is_in_the_schema(api: Api, world: World) -> None:
    made = incident(world).connection
    connections.pause(made, actor=ACTOR)
    body = api.get(f"{CONNECTIONS}/{made.pk}/report").json()
    assert {entry["kind"] for entry in body["timeline"]} == {"failed", "status", "told"}
    known = set(ReportReply().fields["timeline"].child.fields)
    for entry in body["timeline"]:
        assert set(entry) <= known, entry


def test_a_tombstone_s_report_is_read_by_uuid(api: Api, world: World) -> None:
    made = incident(world).connection
    connections.disconnect(made, actor=ACTOR)
    assert api.get(f"{CONNECTIONS}/{made.pk}/report").json()["status"] == "disconnected"


def test_another_partner_learns_nothing(api: Api, world: World, other: World, nobody: Api) -> None:
    made = incident(world).connection
    path = f"{CONNECTIONS}/{made.pk}/report"
    of_stranger = problem(of(other).get(path), 404, "connection_not_found")
    of_nothing = problem(of(other).get(f"{CONNECTIONS}/{UNKNOWN}/report"), 404, "connection_not_found")
    assert same_but_for_the_request(of_stranger, of_nothing)
    problem(nobody.get(path), 401, "not_authenticated")
    problem(without(world, "connections:read").get(path), 403, "permission_denied")
    problem(api.get(f"{CONNECTIONS}/no-uuid/report"), 404, "connection_not_found")
    assert api.post(path).status_code == 405
