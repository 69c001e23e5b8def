"""What a receipt keeps: every byte comes back, and from nowhere but its own row."""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest
from cryptography.fernet import Fernet

from accounts.api.problems import Problem
from proxy.models import Receipt, ReceiptPart
from proxy.models.receipt import PartKind
from proxy.receipts import contents
from proxy.receipts.contents import PIECE_BYTES, StoredReply, StoredRequest
from sealing import rotation, survey
from tests.factories import World
from tests.proxy.receipts.made import receipt

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def kept(made: Receipt, kind: PartKind, packed: bytes) -> list[ReceiptPart]:
    ReceiptPart.objects.filter(receipt=made, kind=kind).delete()
    contents.write(contents.sealed(made.pk, kind, packed))
    return list(ReceiptPart.objects.filter(receipt=made, kind=kind).order_by("number"))


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 200, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_a_reply_of_any_length_comes_back_byte_for_byte(world: World, size: int) -> None:
    made, content = receipt(world), os.urandom(size)
    fields = [(b"x-a", b"1"), (b"x-a", b"2"), (b"x-bytes", b"\xff\xe9")]
    packed = StoredReply(207, fields, content).packed()
    parts = kept(made, PartKind.RESULT, packed)
    found = contents.reply_of(made.pk)
    assert found is not None
    assert (found.status, found.fields, found.content) == (207, fields, content)
    assert len(parts) == -(-len(packed) // PIECE_BYTES)


@pytest.mark.parametrize("body", [None, b"", b'{"a": 1.0}', b"\x00\xff"])
def test_a_request_comes_back_as_it_was_written(world: World, body: bytes | None) -> None:
    made = receipt(world)
    fields = [(b"x-a", b"1"), (b"authorization", b"x")]
    asked = StoredRequest("/crm?a=%2F", fields, body, retries=2, timeout_seconds=1.5)
    kept(made, PartKind.REQUEST, asked.packed())
    assert contents.request_of(made.pk) == asked


def test_nothing_of_the_content_is_readable_in_the_database_or_in_a_representation(world: World) -> None:
    made = receipt(world)
    reply = StoredReply(200, [(b"x-mark", b"MARKER-IN-A-FIELD")], b"MARKER-IN-THE-CONTENT")
    for part in kept(made, PartKind.RESULT, reply.packed()):
        assert b"MARKER" not in part.content.ciphertext
        assert "MARKER" not in f"{part!r}{part}{part.content!r}{part.content.open()!r}"
    asked = StoredRequest("/MARKER", [(b"x", b"MARKER")], b"MARKER")
    assert "MARKER" not in f"{reply!r}{asked!r}{made!r}{made}"


def test_a_piece_of_another_receipt_does_not_open_here(world: World) -> None:
    mine, other = receipt(world), receipt(world)
    kept(other, PartKind.RESULT, StoredReply(200, [], b"theirs").packed())
    ReceiptPart.objects.filter(receipt=other).update(receipt=mine)
    with pytest.raises(Problem):
        contents.reply_of(mine.pk)


def test_content_with_a_piece_missing_is_not_shown_short(world: World) -> None:
    made = receipt(world)
    parts = kept(made, PartKind.RESULT, StoredReply(200, [], os.urandom(3 * PIECE_BYTES)).packed())
    parts[1].delete()
    with pytest.raises(Problem):
        contents.reply_of(made.pk)


def test_the_last_piece_missing_is_noticed_too(world: World) -> None:
    made = receipt(world)
    parts = kept(made, PartKind.RESULT, StoredReply(200, [], os.urandom(3 * PIECE_BYTES)).packed())
    parts[-1].delete()
    with pytest.raises(Problem):
        contents.reply_of(made.pk)


def test_rotation_and_the_survey_know_the_column(world: World, settings: Any) -> None:
    made = receipt(world)
    kept(made, PartKind.RESULT, StoredReply(200, [], b"content").packed())
    settings.FERNET_KEYS = [Fernet.generate_key().decode(), *settings.FERNET_KEYS]
    column = "proxy_receiptpart.content"
    found = {one.column: one for one in survey.take().columns}[column]
    assert (found.older, found.newest, found.unreadable) == (1, 0, 0)
    report = rotation.reseal(ReceiptPart, "content")
    assert (report.scanned, report.resealed, report.unreadable) == (1, 1, 0)
    settings.FERNET_KEYS = settings.FERNET_KEYS[:1]
    reply = contents.reply_of(made.pk)
    assert reply is not None
    assert reply.content == b"content"


def test_no_receipt_no_content(world: World) -> None:
    assert contents.reply_of(uuid.uuid4()) is None
    assert contents.request_of(receipt(world).pk) is None
