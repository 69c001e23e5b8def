"""The opener of receipts' content (design rule 1): packed into bytes, cut into pieces, each sealed for its row."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from accounts.api.problems import Problem
from proxy.credentials import Field
from proxy.models import ReceiptPart
from proxy.models.receipt import PartKind
from sealing import Secret, UnreadableSecret

log = structlog.get_logger(__name__)

#: of content, before it is sealed; 500 rows of this are what a walk over sealed values holds at a time
PIECE_BYTES = 65_536
_KEY_RETRY_SECONDS = 60
_UNREADABLE = (
    "What is kept of this receipt cannot be read. The operator of this installation has to put the key that sealed "
    "it back into FERNET_KEYS."
)


@dataclass(slots=True, repr=False)
class StoredRequest:
    """A request as the envelope told it, before anything is taken out. body None: it has no content."""

    url: str
    fields: list[Field] = field(default_factory=list)
    body: bytes | None = None
    retries: int = 0
    timeout_seconds: float | None = None

    @property
    def size(self) -> int:
        """Bytes, of what the caller has written."""
        return len(self.url.encode()) + _size(self.fields) + len(self.body or b"")

    def packed(self) -> bytes:
        head = {
            "url": self.url,
            "headers": _texts(self.fields),
            "hasBody": self.body is not None,
            "retries": self.retries,
            "timeoutSeconds": self.timeout_seconds,
        }
        return _packed(head, self.body or b"")

    @classmethod
    def unpacked(cls, packed: bytes) -> StoredRequest:
        head, body = _unpacked(packed)
        return cls(
            head["url"],
            _fields(head["headers"]),
            body if head["hasBody"] else None,
            head["retries"],
            head["timeoutSeconds"],
        )


@dataclass(slots=True, repr=False)
class StoredReply:
    """A reply as the proxy returns it: the provider's, or the problem that stands for it."""

    status: int
    fields: list[Field]
    content: bytes = b""

    @property
    def size(self) -> int:
        """Bytes, of header fields and content."""
        return _size(self.fields) + len(self.content)

    def packed(self) -> bytes:
        return _packed({"status": self.status, "headers": _texts(self.fields)}, self.content)

    @classmethod
    def unpacked(cls, packed: bytes) -> StoredReply:
        head, content = _unpacked(packed)
        return cls(head["status"], _fields(head["headers"]), content)


def sealed(receipt_id: UUID, kind: PartKind, packed: bytes) -> list[ReceiptPart]:
    """The rows that keep content, sealed and not yet written: sealing takes longer than a transaction should."""
    parts = []
    for number, piece in enumerate(_pieces(packed)):
        part = ReceiptPart(pk=uuid.uuid4(), receipt_id=receipt_id, kind=kind, number=number)
        part.content = Secret(_place(part) + base64.b64encode(piece).decode("ascii"))
        assert part.content is not None  # it is sealed when it is first read
        parts.append(part)
    return parts


def write(parts: list[ReceiptPart]) -> None:
    """Call it in the transaction of the change that the content belongs to."""
    ReceiptPart.objects.bulk_create(parts, batch_size=100)


def request_of(receipt_id: UUID) -> StoredRequest | None:
    """The request, or None when it was deleted. Raises Problem when no key opens it."""
    packed = _opened(receipt_id, PartKind.REQUEST)
    return None if packed is None else StoredRequest.unpacked(packed)


def reply_of(receipt_id: UUID) -> StoredReply | None:
    """The reply, or None when there is none. Raises Problem when no key opens it."""
    packed = _opened(receipt_id, PartKind.RESULT)
    return None if packed is None else StoredReply.unpacked(packed)


def _opened(receipt_id: UUID, kind: PartKind) -> bytes | None:
    try:
        return _whole(receipt_id, kind)
    except UnreadableSecret as error:
        log.error("receipt not readable", receipt=str(receipt_id), place=error.context)
        raise Problem("internal_error", _UNREADABLE, {"retryAfter": _KEY_RETRY_SECONDS}) from error


def _whole(receipt_id: UUID, kind: PartKind) -> bytes | None:
    """Raises UnreadableSecret, also when a piece is missing or another's."""
    rows = ReceiptPart.objects.filter(receipt=receipt_id, kind=kind).order_by("number")
    pieces = []
    for number, part in enumerate(rows.iterator(chunk_size=20)):
        place, text = _place(part), part.content.open().reveal()
        if part.number != number or not text.startswith(place):
            raise UnreadableSecret(part.content.context)
        pieces.append(base64.b64decode(text[len(place) :]))
    packed = b"".join(pieces)
    if pieces and len(packed) != _length(packed):
        raise UnreadableSecret(f"{ReceiptPart._meta.db_table}, whose last pieces are missing")
    return packed if pieces else None


def _place(part: ReceiptPart) -> str:
    """Stands before the content, so that a row which is given to another receipt does not open there."""
    return f"{part.receipt_id.hex}/{part.kind}/{part.number}/"


def _pieces(packed: bytes) -> Iterator[bytes]:
    for start in range(0, len(packed), PIECE_BYTES):
        yield packed[start : start + PIECE_BYTES]


def _packed(head: dict[str, Any], content: bytes) -> bytes:
    head["length"] = len(content)
    return json.dumps(head, separators=(",", ":")).encode("ascii") + b"\n" + content


def _length(packed: bytes) -> int:
    """How long it should be, which its head tells; -1 when even that is cut short."""
    line, newline, _ = packed.partition(b"\n")
    return len(line) + 1 + int(json.loads(line)["length"]) if newline else -1


def _unpacked(packed: bytes) -> tuple[dict[str, Any], bytes]:
    line, _, content = packed.partition(b"\n")
    return json.loads(line), content


def _size(fields: list[Field]) -> int:
    return sum(len(name) + len(value) for name, value in fields)


def _texts(fields: list[Field]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields]


def _fields(texts: list[list[str]]) -> list[Field]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in texts]
