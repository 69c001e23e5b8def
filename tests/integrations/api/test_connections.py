"""Reading, pausing, ending and importing connections; whose they are."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import AuditEntry, Event
from integrations import tasks
from integrations.models import Connection, PendingRevocation
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import Api, of, problem, same_but_for_the_request, without

pytestmark = pytest.mark.db
CONNECTIONS = "/api/v1/connections"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
MEMBERS = {
    "UUID",
    "appSlug",
    "provider",
    "userForeignIdentifier",
    "connectionName",
    "status",
    "statusReason",
    "providerAccount",
    "grantedScopes",
    "missingScopes",
    "createdAt",
    "updatedAt",
    "lastUsedAt",
    "accessTokenExpiresAt",
}


def test_a_connection_has_the_contracts_members_and_no_secret(api: Api, world: World) -> None:
    made = factories.connection(
        world, "tenant-42", access_token="CSecret-of-the-test", refresh_token="na1-hidden"
    )
    response = api.get(f"{CONNECTIONS}/{made.pk}")
    body = response.json()
    assert set(body) == MEMBERS
    assert (body["UUID"], body["appSlug"], body["provider"]) == (str(made.pk), "hbdev", "hubspot")
    assert body["providerAccount"] == {"id": "62515", "name": "meowmix.com", "url": None}
    assert body["status"] == "active" and body["statusReason"] is None
    assert b"CSecret" not in response.content and b"na1-hidden" not in response.content
    assert response["Cache-Control"] == "no-store"


def test_a_connection_that_needs_its_customer_says_so(api: Api, world: World) -> None:
    made = factories.connection(world, status="reconnect_required", status_reason="revoked_at_provider")
    before = Connection.objects.values().get()
    body = api.get(f"{CONNECTIONS}/{made.pk}").json()
    assert body["statusReason"]["code"] == "revoked_at_provider" and body["statusReason"]["message"]
    assert body["reconnectUrl"].startswith("http://localhost:8000/reconnect/")
    assert Connection.objects.values().get() == before


def test_lists_leave_out_what_is_pending_and_what_has_ended(api: Api, world: World) -> None:
    for status in ("active", "paused", "refresh_failing", "reconnect_required", "pending", "disconnected"):
        factories.connection(world, f"customer-{status}", status=status)

    def listed(**query: str) -> set[str]:
        return {row["status"] for row in api.get(CONNECTIONS, **query).json()["results"]}

    assert listed() == {"active", "paused", "refresh_failing", "reconnect_required"}
    assert listed(status="pending") == {"pending"}
    assert listed(status="paused") == {"paused"}
    ended = Connection.objects.get(status="disconnected")
    assert api.get(f"{CONNECTIONS}/{ended.pk}").json()["status"] == "disconnected"


def test_lists_are_filtered_by_customer_and_integration(api: Api, world: World) -> None:
    wanted = factories.connection(world, "a/b %2F")
    factories.connection(world, "someone else")
    found = api.get(CONNECTIONS, userForeignIdentifier="a/b %2F", appSlug="hbdev").json()
    assert [row["UUID"] for row in found["results"]] == [str(wanted.pk)]
    assert api.get(CONNECTIONS, userForeignIdentifier="A/B %2F").json() == {"results": [], "next": None}


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ("status=broken", 400, "invalid_request", "status"),
        ("status=disconnected", 400, "invalid_request", "status"),
        ("status=", 400, "invalid_request", "status"),
        ("userForeignIdentifier=", 400, "invalid_request", "userForeignIdentifier"),
        ("userForeignIdentifier=" + "x" * 1_025, 400, "invalid_request", "userForeignIdentifier"),
        ("userForeignIdentifier=%00", 400, "invalid_request", "userForeignIdentifier"),
        ("userForeignIdentifier=a&userForeignIdentifier=b", 400, "invalid_request", "userForeignIdentifier"),
        ("user_foreign_identifier=a", 400, "invalid_request", "user_foreign_identifier"),
        ("appSlug=no-such-app", 404, "not_found", None),
        ("appSlug=%00", 404, "not_found", None),
        ("limit=0", 400, "invalid_request", "limit"),
        ("limit=101", 400, "invalid_request", "limit"),
        ("limit=ten", 400, "invalid_request", "limit"),
        ("limit=", 400, "invalid_request", "limit"),
        ("limit=%C2%B2", 400, "invalid_request", "limit"),
        ("cursor=!!!", 400, "invalid_request", "cursor"),
        ("cursor=cD1ub3doZXJl", 400, "invalid_request", "cursor"),
        ("cursor=cD0wMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAw", 400, "invalid_request", "cursor"),
        ("cursor=%F0%9F%98%80", 400, "invalid_request", "cursor"),
        ("userForeignIdentifier=%FF", 400, "invalid_request", "query"),
    ],
)
def test_a_filter_that_cannot_be_used_is_named(
    api: Api, query: str, status: int, code: str, field: str | None
) -> None:
    problem(api.get(f"{CONNECTIONS}?{query}"), status, code, field)


def test_pages_follow_each_other_and_miss_nothing(api: Api, world: World) -> None:
    made = [factories.connection(world, f"customer-{number}") for number in range(7)]
    seen, url, pages = [], f"{CONNECTIONS}?limit=3&status=active", 0
    while url:
        body = api.get(url.removeprefix("http://localhost:8000")).json()
        seen += [row["UUID"] for row in body["results"]]
        url, pages = body["next"], pages + 1
        assert url is None or (
            url.startswith("http://localhost:8000/api/v1/connections?") and "limit=3" in url
        )
    assert seen == [str(row.pk) for row in reversed(made)] and pages == 3


def test_the_next_page_never_takes_its_address_from_the_host_field(api: Api, world: World) -> None:
    for number in range(2):
        factories.connection(world, f"customer-{number}")
    body = api.call("GET", f"{CONNECTIONS}?limit=1", HTTP_HOST="127.0.0.1").json()
    assert body["next"].startswith("http://localhost:8000/")


def test_adm_06_the_same_identifier_at_two_partners_is_two_connections(world: World, other: World) -> None:
    mine, theirs = factories.connection(world, "42"), factories.connection(other, "42")
    for caller, own, foreign in ((of(world), mine, theirs), (of(other), theirs, mine)):
        listed = caller.get(CONNECTIONS, userForeignIdentifier="42").json()["results"]
        assert [row["UUID"] for row in listed] == [str(own.pk)]
        problem(caller.get(f"{CONNECTIONS}/{foreign.pk}"), 404, "connection_not_found")


CALLS = [
    ("GET", ""),
    ("DELETE", ""),
    ("POST", "/refresh"),
    ("POST", "/check"),
    ("POST", "/pause"),
    ("POST", "/resume"),
    ("GET", "/token"),
]


@pytest.mark.parametrize(("method", "tail"), CALLS)
def test_what_is_not_yours_looks_like_what_does_not_exist(
    all_permissions: Api, world: World, other: World, method: str, tail: str
) -> None:
    theirs = factories.connection(other, "42")
    before = Connection.objects.values().get(pk=theirs.pk)
    unknown = problem(
        all_permissions.call(method, f"{CONNECTIONS}/{UNKNOWN}{tail}"), 404, "connection_not_found"
    )
    for name in (theirs.pk, "nonsense", "%00", "1" * 40, f"{{{UNKNOWN}}}", UNKNOWN.replace("-", "")):
        found = problem(
            all_permissions.call(method, f"{CONNECTIONS}/{name}{tail}"), 404, "connection_not_found"
        )
        assert same_but_for_the_request(found, unknown)
    assert Connection.objects.values().get(pk=theirs.pk) == before


@pytest.mark.parametrize(("method", "tail"), CALLS)
def test_a_credential_without_the_integration_or_the_permission_gets_nowhere(
    world: World, nobody: Api, method: str, tail: str
) -> None:
    path = f"{CONNECTIONS}/{factories.connection(world).pk}{tail}"
    read_only = ["connections:read"] if method == "POST" or method == "DELETE" else ["connections:write"]
    lacking = factories.credential(world.partner, world.integration, permissions=read_only)
    problem(Api(f"Bearer {lacking.api_key}").call(method, path), 403, "permission_denied")
    bare = factories.credential(
        world.partner, permissions=["connections:read", "connections:write", "tokens:read"]
    )
    problem(Api(f"Bearer {bare.api_key}").call(method, path), 404, "connection_not_found")
    problem(nobody.call(method, path), 401, "not_authenticated")
    assert Connection.objects.get().status == "active"


def test_head_needs_the_same_permission_as_get(world: World) -> None:
    path = f"{CONNECTIONS}/{factories.connection(world).pk}"
    lacking = without(world, "connections:read")
    assert lacking.call("HEAD", path).status_code == 403
    assert of(world).call("HEAD", path).status_code == 200


def test_pause_and_resume_may_be_repeated(api: Api, world: World) -> None:
    path = f"{CONNECTIONS}/{factories.connection(world).pk}"
    for _ in range(2):
        body = api.post(f"{path}/pause").json()
        assert (body["status"], body["statusReason"]["code"]) == ("paused", "paused_by_partner")
    problem(api.post(f"{path}/refresh"), 423, "connection_paused")
    for _ in range(2):
        assert api.post(f"{path}/resume").json()["status"] == "active"
    assert Event.objects.count() == 2


def test_a_connection_that_waits_for_its_customer_answers_424(api: Api, world: World) -> None:
    made = factories.connection(world, status="reconnect_required", status_reason="revoked_at_provider")
    for tail in ("refresh", "check"):
        body = problem(api.post(f"{CONNECTIONS}/{made.pk}/{tail}"), 424, "reconnect_required")
        assert body["reason"] == "revoked_at_provider"
        assert body["reconnectUrl"].startswith("http://localhost:8000/reconnect/")


def test_disconnecting_takes_the_secrets_at_once(
    api: Api, world: World, monkeypatch: Any, django_capture_on_commit_callbacks: Any
) -> None:
    queued: list[Any] = []
    monkeypatch.setattr(tasks.carry_out_revocation, "apply_async", lambda **call: queued.append(call["args"]))
    made = factories.connection(world)
    with django_capture_on_commit_callbacks(execute=True):
        response = api.delete(f"{CONNECTIONS}/{made.pk}")
    assert (response.status_code, response.content) == (204, b"")
    made.refresh_from_db()
    assert (made.status, made.access_token, made.refresh_token) == ("disconnected", None, None)
    assert queued == [(str(PendingRevocation.objects.get().pk),)]
    assert api.get(f"{CONNECTIONS}/{made.pk}").json()["status"] == "disconnected"
    assert api.get(CONNECTIONS).json()["results"] == []
    problem(api.delete(f"{CONNECTIONS}/{made.pk}"), 404, "connection_not_found")


def test_a_broker_that_is_down_does_not_fail_the_disconnect(
    api: Api, world: World, monkeypatch: Any, django_capture_on_commit_callbacks: Any
) -> None:
    def down(**_: Any) -> None:
        raise OSError("no broker")

    monkeypatch.setattr(tasks.carry_out_revocation, "apply_async", down)
    made = factories.connection(world)
    with django_capture_on_commit_callbacks(execute=True):
        assert api.delete(f"{CONNECTIONS}/{made.pk}").status_code == 204
    assert PendingRevocation.objects.filter(next_attempt_at__lte=timezone.now()).exists()


def test_the_token_is_for_tokens_read_alone_and_leaves_a_trace(
    api: Api, all_permissions: Api, world: World
) -> None:
    made = factories.connection(world, access_token="CTheToken0123456789")
    path = f"{CONNECTIONS}/{made.pk}/token"
    problem(api.get(path), 403, "permission_denied")
    assert not AuditEntry.objects.filter(action="connection.token_read").exists()
    response = all_permissions.get(path)
    body = response.json()
    assert (body["accessToken"], body["tokenType"]) == ("CTheToken0123456789", "bearer")
    assert parse_datetime(body["expiresAt"]) > timezone.now()
    assert response["Cache-Control"] == "no-store"
    entry = AuditEntry.objects.get(action="connection.token_read")
    assert entry.object_id == str(made.pk) and "CTheToken" not in str(entry.changes)
    assert all_permissions.call("HEAD", path).status_code == 405
    assert AuditEntry.objects.filter(action="connection.token_read").count() == 1


def test_an_unreadable_secret_is_the_operators_matter(
    all_permissions: Api, world: World, settings: Any
) -> None:
    made = factories.connection(world)
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    body = problem(all_permissions.get(f"{CONNECTIONS}/{made.pk}/token"), 503, "refresh_unavailable")
    assert "FERNET_KEYS" in body["detail"] and body["retryAfter"] == 60
    assert Connection.objects.get().status == "active"


def test_an_unknown_uuid_in_the_right_form_is_not_found(api: Api) -> None:
    problem(api.get(f"{CONNECTIONS}/{uuid.uuid4()}"), 404, "connection_not_found")


def test_a_long_list_costs_as_many_queries_as_a_short_one(
    api: Api, world: World, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        factories.connection(world, f"customer-{number}")
    api.get(CONNECTIONS)
    with django_assert_max_num_queries(3):
        assert len(api.get(CONNECTIONS).json()["results"]) == 10
