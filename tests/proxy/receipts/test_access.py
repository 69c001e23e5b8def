"""Every view of a receipt meets its owner, a colleague, who may not, a stranger and nobody."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet

from accounts import credentials
from accounts.models import Event
from integrations.models import Connection
from proxy.models import Receipt, ReceiptPart
from proxy.models.receipt import PartKind, State
from proxy.receipts import contents
from proxy.receipts.contents import StoredReply
from sealing import rotation
from tests import factories
from tests.factories import ACTOR, World
from tests.proxy.receipts.made import receipt

pytestmark = [pytest.mark.django_db, pytest.mark.db]
DOORS = [("get", ""), ("get", "/reply"), ("delete", "")]
NOT_FOUND = (404, "not_found")


@pytest.fixture
def kept(world: World) -> Receipt:
    """A completed one with its reply."""
    made = receipt(world, state=State.COMPLETED, status=200)
    reply = StoredReply(200, [(b"content-type", b"text/plain"), (b"content-length", b"5")], b"reply")
    contents.write(contents.sealed(made.pk, PartKind.RESULT, reply.packed()))
    return made


def ask(client: Any, who: World | None, door: tuple[str, str], receipt_id: object) -> Any:
    method, rest = door
    return getattr(client, method)(
        f"/api/v1/receipts/{receipt_id}{rest}", **({} if who is None else who.auth)
    )


def said(response: Any) -> tuple[int, str]:
    return response.status_code, json.loads(response.content)["code"]


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_owner_and_a_colleague_with_the_same_integration_get_in(
    client: Any, world: World, kept: Receipt, door: tuple[str, str]
) -> None:
    new = factories.credential(world.partner, world.integration, permissions=["proxy"])
    response = ask(client, replace(world, new_credential=new), door, kept.pk)
    assert response.status_code == (204 if door[0] == "delete" else 200)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_others_do_not_learn_that_it_is_there(
    client: Any, world: World, kept: Receipt, door: tuple[str, str]
) -> None:
    stranger = factories.world("Stranger", of=world.integration)
    without = factories.credential(world.partner, permissions=["proxy"])
    asked = [
        ask(client, stranger, door, kept.pk),
        ask(client, replace(world, new_credential=without), door, kept.pk),
        ask(client, world, door, "9f0c2f0e-6c1e-4c53-9a2f-0d5a8a0a6c11"),
        ask(client, world, door, "not-an-id"),
        ask(client, world, door, kept.pk.hex),
        ask(client, world, door, f"{{{kept.pk}}}"),
    ]
    bodies = []
    for response in asked:
        assert said(response) == NOT_FOUND
        assert response.headers["Cache-Control"] == "no-store"
        bodies.append({k: v for k, v in json.loads(response.content).items() if k != "requestId"})
    assert all(body == bodies[0] for body in bodies)
    assert ReceiptPart.objects.filter(receipt=kept).exists()


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_who_may_not_use_the_proxy_and_nobody_are_refused(
    client: Any, world: World, kept: Receipt, door: tuple[str, str]
) -> None:
    others = [p for p in world.credential.permissions if p != "proxy"]
    new = factories.credential(world.partner, world.integration, permissions=others)
    assert said(ask(client, replace(world, new_credential=new), door, kept.pk)) == (403, "permission_denied")
    assert said(ask(client, None, door, kept.pk)) == (401, "not_authenticated")
    credentials.revoke(world.credential, actor=ACTOR)
    assert said(ask(client, world, door, kept.pk)) == (401, "not_authenticated")
    assert Receipt.objects.filter(pk=kept.pk).exists()


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_an_expired_receipt_is_not_there_although_its_row_is(
    client: Any, world: World, kept: Receipt, door: tuple[str, str]
) -> None:
    Receipt.objects.update(expires_at=kept.created_at)
    assert said(ask(client, world, door, kept.pk)) == NOT_FOUND


def test_other_methods_are_not_allowed(client: Any, world: World, kept: Receipt) -> None:
    for method in ("post", "put", "patch"):
        assert said(ask(client, world, (method, ""), kept.pk)) == (405, "method_not_allowed")
    assert said(ask(client, world, ("delete", "/reply"), kept.pk)) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (State.PENDING, 409, "conflict"),
        (State.RUNNING, 409, "conflict"),
        (State.RESULT_TOO_LARGE, 409, "conflict"),
        (State.OUTCOME_UNKNOWN, 409, "conflict"),
        (State.CANCELLED, 409, "conflict"),
    ],
)
def test_where_there_is_no_reply_the_state_says_why(
    client: Any, world: World, state: State, status: int, code: str
) -> None:
    made = receipt(world, state=state)
    response = ask(client, world, ("get", "/reply"), made.pk)
    assert said(response) == (status, code)
    assert json.loads(response.content)["state"] == state
    is_open = state in (State.PENDING, State.RUNNING)
    assert ("Retry-After" in response.headers) == is_open
    shown = ask(client, world, ("get", ""), made.pk)
    assert shown.status_code == 200
    assert ("Retry-After" in shown.headers) == is_open
    found = json.loads(shown.content)
    assert found["state"] == state
    assert ("completedAt" in found) != is_open
    assert "bodyBase64" not in found


def test_a_pending_one_is_called_off_and_told(client: Any, world: World) -> None:
    made = receipt(world)
    contents.write(contents.sealed(made.pk, PartKind.REQUEST, b'{"length":0}\n'))
    assert ask(client, world, ("delete", ""), made.pk).status_code == 204
    assert not ReceiptPart.objects.exists()
    assert json.loads(ask(client, world, ("get", ""), made.pk).content)["state"] == "cancelled"
    assert Event.objects.get().data["state"] == "cancelled"
    assert ask(client, world, ("delete", ""), made.pk).status_code == 204, "the rest goes too"
    assert said(ask(client, world, ("get", ""), made.pk)) == NOT_FOUND
    assert Event.objects.count() == 1


def test_one_under_way_is_neither_called_off_nor_deleted(client: Any, world: World) -> None:
    made = receipt(world, state=State.RUNNING)
    assert said(ask(client, world, ("delete", ""), made.pk)) == (409, "conflict")
    assert Receipt.objects.get().state == State.RUNNING


def test_one_that_is_over_goes_with_its_content_and_is_told_no_second_time(
    client: Any, world: World, kept: Receipt
) -> None:
    assert ask(client, world, ("delete", ""), kept.pk).status_code == 204
    assert not Receipt.objects.exists()
    assert not ReceiptPart.objects.exists()
    assert not Event.objects.exists()


def test_content_that_no_key_opens_is_told_and_nothing_else_changes(
    client: Any, world: World, kept: Receipt, settings: Any
) -> None:
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    for door in DOORS[:2]:
        assert said(ask(client, world, door, kept.pk)) == (500, "internal_error")
    assert Receipt.objects.get().state == State.COMPLETED
    assert rotation.reseal(ReceiptPart, "content").unreadable == 1


def test_a_connection_that_is_gone_takes_the_receipt_with_it(world: World, kept: Receipt) -> None:
    Connection.objects.filter(pk=kept.connection_id).delete()
    assert not ReceiptPart.objects.exists()
