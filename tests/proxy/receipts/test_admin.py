"""Receipts in the admin: found by those who may, changed by nobody, and without content."""

from __future__ import annotations

import pytest
from django.test import Client

from proxy.models.receipt import PartKind, State
from proxy.receipts import contents
from proxy.receipts.contents import StoredReply
from tests.factories import World
from tests.integrations.admin.conftest import StaffClient, boss, staff  # noqa: F401 (fixtures)
from tests.proxy.receipts.made import receipt

pytestmark = [pytest.mark.django_db, pytest.mark.db]
LIST = "/admin/proxy/receipt/"


def test_staff_find_a_receipt_and_read_no_content(world: World, boss: Client) -> None:  # noqa: F811
    made = receipt(world, state=State.COMPLETED, status=207)
    other = receipt(world)
    reply = StoredReply(200, [(b"x-a", b"MARKER")], b"MARKER")
    contents.write(contents.sealed(made.pk, PartKind.RESULT, reply.packed()))
    for search in ("", str(made.pk), made.pk.hex, str(made.connection_id), made.request_id):
        assert str(made.pk) in boss.get(LIST, {"q": search}).content.decode()
    assert str(made.pk) not in boss.get(LIST, {"q": str(other.pk)}).content.decode()
    assert str(other.pk) not in boss.get(LIST, {"state": "completed"}).content.decode()
    page = boss.get(f"{LIST}{made.pk}/change/").content.decode()
    assert "207" in page
    assert made.request_id in page
    assert "MARKER" not in page
    (part,) = made.parts.all()
    assert part.content.ciphertext.decode() not in page


def test_nobody_adds_changes_or_deletes_one(world: World, boss: Client) -> None:  # noqa: F811
    made = receipt(world)
    assert boss.get(f"{LIST}add/").status_code == 403
    assert boss.post(f"{LIST}{made.pk}/change/", {"state": "completed"}).status_code == 403
    assert boss.post(f"{LIST}{made.pk}/delete/", {"post": "yes"}).status_code == 403
    made.refresh_from_db()
    assert made.state == State.PENDING


def test_it_takes_the_permission_to_view(world: World, staff: StaffClient) -> None:  # noqa: F811
    receipt(world)
    assert staff("view_trafficentry").get(LIST).status_code == 403
    assert staff("view_receipt").get(LIST).status_code == 200
