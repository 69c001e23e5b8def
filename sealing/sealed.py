"""Sealed: a secret as it lies in the database, tied to the row and column that it was sealed for."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography.fernet import InvalidToken

from sealing import keyring, noticed
from sealing.errors import UnreadableSecret
from sealing.secret import Secret, from_bytes, to_bytes

if TYPE_CHECKING:
    from django.db import models


class Sealed:
    """Ciphertext and its place. Nothing is decrypted before `open()`; equality is that of the ciphertext.

    `values()` yields it without the row's primary key: `bind(pk)` adds that. May be pickled and cached, since
    it holds ciphertext alone.
    """

    __slots__ = ("ciphertext", "column", "pk")

    def __init__(self, ciphertext: bytes, *, column: str, pk: object = None) -> None:
        """column is "db_table.column"; pk is as the model's primary key field yields it."""
        self.ciphertext = ciphertext
        self.column = column
        self.pk = pk

    @classmethod
    def make(cls, secret: Secret, *, column: str, pk: object) -> Sealed:
        """Seal for one place. Outside this package use `seal()`, which checks the place."""
        sealed = cls(b"", column=column, pk=pk)
        sealed.ciphertext = keyring.ring().encrypt(to_bytes(secret), context=sealed.context)
        return sealed

    @property
    def is_bound(self) -> bool:
        """Whether the row is known."""
        return self.pk is not None

    @property
    def context(self) -> str:
        """The place, "db_table.column:pk". Raises ValueError when the row is not known."""
        if self.pk is None:
            raise ValueError(f"A sealed value of {self.column} without its row; call bind(pk) first.")
        return f"{self.column}:{self.pk}"

    def bind(self, pk: object) -> Sealed:
        """The same ciphertext as the value of the row pk."""
        return Sealed(self.ciphertext, column=self.column, pk=pk)

    def open(self) -> Secret:
        """Decrypt. Raises UnreadableSecret."""
        context = self.context
        try:
            return from_bytes(keyring.ring().decrypt(self.ciphertext, context=context))
        except (InvalidToken, UnicodeDecodeError):
            noticed.add(self.column, self.pk)
            raise UnreadableSecret(context) from None

    def is_readable(self) -> bool:
        """Whether open() would succeed. It decrypts: not for long lists."""
        try:
            self.open()
        except UnreadableSecret:
            return False
        return True

    def key_position(self) -> int | None:
        """Which key of the ring sealed it: 0 the newest, None for none of them."""
        try:
            return keyring.ring().find(self.ciphertext, context=self.context)[0]
        except InvalidToken:
            return None

    def resealed(self) -> Sealed | None:
        """The same secret under the newest key; None when it is under that already. Raises UnreadableSecret."""
        ring, context = keyring.ring(), self.context
        try:
            position, plaintext = ring.find(self.ciphertext, context=context)
        except InvalidToken:
            raise UnreadableSecret(context) from None
        if position == 0:
            return None
        return Sealed(ring.encrypt(plaintext, context=context), column=self.column, pk=self.pk)

    @property
    def claimed_time(self) -> datetime | None:
        """When it was sealed, as the Fernet token says in clear; unproved, None where it is no such token."""
        try:
            head = base64.urlsafe_b64decode(self.ciphertext[:12])
            return datetime.fromtimestamp(int.from_bytes(head[1:9]), UTC) if head[:1] == b"\x80" else None
        except (binascii.Error, ValueError, OverflowError, OSError):
            return None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sealed):
            return NotImplemented
        return self.ciphertext == other.ciphertext

    def __hash__(self) -> int:
        return hash(self.ciphertext)

    def __repr__(self) -> str:
        return f"<Sealed {self.column}:{self.pk if self.is_bound else '?'}>"


def seal(secret: Secret | str, *, model: type[models.Model], field: str, pk: Any) -> Sealed:
    """Seal a value for the named field of the row pk, as `queryset.update(token=seal(…))` needs it.

    Raises TypeError when the field is no SealedField, ValueError without a pk.
    """
    from sealing.fields import sealed_field

    return sealed_field(model, field).seal(secret if isinstance(secret, Secret) else Secret(secret), pk=pk)
