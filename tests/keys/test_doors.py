"""With a key that opens nothing every door says so: no 500, no status changed, and the provider is not asked.

What a process meets that still has the old keys alone, while another writes with the new one, is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Event
from accounts.models.partner import Permission
from integrations import connect, connections, tasks
from integrations.connect import LinkRequest
from integrations.models import AuthorizationAttempt, Connection, PendingRevocation
from integrations.models.connection import Status
from sealing import watch
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.connect.conftest import Browser, Web
from tests.integrations.pages.conftest import press_continue

pytestmark = [pytest.mark.django_db, pytest.mark.db]
STAMP = ("pk", "status", "status_reason", "token_version", "access_token", "refresh_token")


@pytest.fixture
def world(db: Any) -> World:
    return factories.world(permissions=[permission.value for permission in Permission])


@pytest.fixture
def fresh(world: World) -> Connection:
    return factories.connection(world, "fresh")


@pytest.fixture
def due(world: World) -> Connection:
    return factories.connection(world, "due", expires_in=0)


@pytest.fixture
def lost(settings: Any, sandbox: Any, world: World, fresh: Connection, due: Connection) -> Iterator[Any]:
    """The key is exchanged for another; afterwards nothing has changed, and the provider was asked nothing."""
    held = settings.FERNET_KEYS
    before = sorted(Connection.objects.values_list(*STAMP), key=str)
    events = Event.objects.count()
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    watch.forget()
    yield held
    assert sorted(Connection.objects.values_list(*STAMP), key=str) == before
    assert Event.objects.count() == events
    assert asked(sandbox) == []
    settings.FERNET_KEYS = held
    watch.forget()


def asked(sandbox: Any) -> list[Any]:
    return list(sandbox.control("GET", "/_control/requests"))


def call(world: World, method: str, path: str, body: Any = None, **headers: str) -> Any:
    content = "" if body is None else json.dumps(body)
    client = Client(raise_request_exception=False)
    return client.generic(method, path, content, "application/json", **world.auth, headers=headers)


def unreadable(response: Any) -> None:
    """The one answer of the programs' doors."""
    assert response.status_code == 503
    body = json.loads(response.getvalue())
    assert (body["code"], body["reason"]) == ("refresh_unavailable", "unreadable_secret")
    assert "FERNET_KEYS" in body["detail"] and response["Retry-After"] == "60"


@pytest.mark.parametrize("who", ["fresh", "due"])
@pytest.mark.parametrize("act", ["refresh", "check", "token"])
def test_acts_on_a_connection_say_that_its_secret_cannot_be_read(
    world: World, lost: Any, fresh: Connection, due: Connection, act: str, who: str
) -> None:
    row = {"fresh": fresh, "due": due}[who]
    method = "GET" if act == "token" else "POST"
    unreadable(call(world, method, f"/api/v1/connections/{row.pk}/{act}"))


def test_what_needs_no_secret_goes_on(world: World, lost: Any, fresh: Connection) -> None:
    listed = call(world, "GET", "/api/v1/connections")
    assert listed.status_code == 200 and len(json.loads(listed.content)["results"]) == 2
    for path in (f"/api/v1/connections/{fresh.pk}", f"/api/v1/connections/{fresh.pk}/report"):
        assert call(world, "GET", path).status_code == 200, path
    assert call(world, "GET", "/api/v1/integrations").status_code == 200
    link = call(world, "POST", "/api/v1/manage-links", {"userForeignIdentifier": "fresh"})
    assert link.status_code == 201, link.content
    page = Client(raise_request_exception=False).get(urlsplit(json.loads(link.content)["url"]).path)
    assert page.status_code == 200
    state = call(world, "GET", "/api/saas-org-user/get-users/hbdev")
    assert state.status_code == 200, state.content


def test_the_customer_is_told_before_anything_is_granted_and_the_link_stays_good(
    world: World, settings: Any, sandbox: Any
) -> None:
    world.register_at(sandbox)
    new = connect.create_link(world.partner, world.integration, LinkRequest("new"), actor=ACTOR)
    web = Web()
    held, settings.FERNET_KEYS = settings.FERNET_KEYS, [Fernet.generate_key().decode()]
    page = press_continue(web.client, urlsplit(new.url).path)
    assert page.status_code == 404 and "cannot be connected at the moment" in page.content.decode()
    assert not AuthorizationAttempt.objects.exists()
    settings.FERNET_KEYS = held
    web.come_back(Browser().consent(web.leave(new)))
    assert Connection.objects.get(pk=new.link.connection_id).status == Status.ACTIVE


def test_a_callback_that_cannot_be_finished_ends_with_a_page(
    world: World, settings: Any, sandbox: Any
) -> None:
    world.register_at(sandbox)
    new = connect.create_link(world.partner, world.integration, LinkRequest("new"), actor=ACTOR)
    web = Web()
    url = web.leave(new)
    held, settings.FERNET_KEYS = settings.FERNET_KEYS, [Fernet.generate_key().decode()]
    reply = web.come_back(Browser().consent(url))
    assert reply.status_code < 500, reply.status_code
    assert AuthorizationAttempt.objects.get().outcome_reason == "misconfigured"
    assert Connection.objects.get(pk=new.link.connection_id).status == Status.PENDING
    settings.FERNET_KEYS = held
    reply = web.come_back(Browser().consent(web.leave(new)))
    assert Connection.objects.get(pk=new.link.connection_id).status == Status.ACTIVE


@pytest.mark.django_db(transaction=True)
def test_sweeps_leave_everything_as_it_is(world: World, lost: Any, due: Connection) -> None:
    Connection.objects.update(next_refresh_at=timezone.now() - timedelta(minutes=1))
    tasks.refresh_due()
    tasks.complete_identities()
    tasks.retry_revocations()


def test_a_revocation_waits_for_the_key_and_tells_the_provider_nothing(
    world: World, settings: Any, sandbox: Any
) -> None:
    made = factories.connection(world, "gone")
    pending = connections.disconnect(made, actor=ACTOR)
    assert pending is not None
    held, settings.FERNET_KEYS = settings.FERNET_KEYS, [Fernet.generate_key().decode()]
    assert connections.carry_out_revocation(pending) is None
    row = PendingRevocation.objects.get(pk=pending)
    assert row.attempts == 1 and asked(sandbox) == []
    settings.FERNET_KEYS = held
    assert row.access_token.is_readable() or row.refresh_token.is_readable()


def test_a_connection_can_be_ended_and_the_partner_is_told_that_the_provider_was_not(
    world: World, settings: Any, sandbox: Any
) -> None:
    made = factories.connection(world, "gone")
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    assert call(world, "DELETE", f"/api/v1/connections/{made.pk}").status_code in {200, 204}
    made.refresh_from_db()
    assert (made.status, made.access_token, made.refresh_token) == (Status.DISCONNECTED, None, None)
    told = Event.objects.get(type="connection.deleted")
    assert told.data["revocation"] == "failed" and asked(sandbox) == []


def test_every_admin_page_opens_and_shows_the_way_to_the_page_of_the_keys(
    world: World, lost: Any, fresh: Connection
) -> None:
    boss = signed_in()
    paths = [reverse("admin:index"), reverse("admin:keys")]
    for model, pk in (
        ("integrations_connection", fresh.pk),
        ("integrations_integration", world.integration.pk),
        ("accounts_partner", world.partner.pk),
        ("accounts_credential", world.credential.pk),
    ):
        paths += [reverse(f"admin:{model}_changelist"), reverse(f"admin:{model}_change", args=[pk])]
    for name in ("accounts_event", "accounts_auditentry", "accounts_customer"):
        paths.append(reverse(f"admin:{name}_changelist"))
    for path in paths:
        page = boss.get(path)
        assert page.status_code == 200, path
        if path != reverse("admin:keys"):
            assert reverse("admin:keys") in page.content.decode(), path
    check = boss.post(
        reverse("admin:integrations_integration_check", args=[world.integration.pk]), follow=True
    )
    assert check.status_code == 200 and "cannot be read" in check.content.decode()


def signed_in() -> Client:
    """Signed in by the form, as somebody does who was called because of the outage."""
    get_user_model().objects.create_superuser("boss", password="correct horse battery")
    boss = Client(raise_request_exception=False)
    form = {"username": "boss", "password": "correct horse battery", "next": "/admin/"}
    assert boss.post(reverse("admin:login"), form).status_code == 302
    return boss
