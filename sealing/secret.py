"""Secret: a string that every way of printing, logging or serialising shows as a mask."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import NoReturn, Self, SupportsIndex

MASK = "••••••••"
LAST4_MIN_LENGTH = 12


class Secret:
    """Holds one secret string. `reveal()` is the only way to it; equality takes constant time; not hashable.

    Deliberately no str: nothing that accepts a str may get the value by accident. Pickle refuses (queues and
    caches hold ciphertext); a copy is the same object. The value sits in a closure, so that walking over
    attributes, as debuggers and error trackers do, finds a function.
    """

    __slots__ = ("__reveal",)
    __hash__ = None  # type: ignore[assignment]  # Python's own way to say "not hashable"

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"A Secret holds a str, not {type(value).__name__}.")
        self.__reveal: Callable[[], str] = lambda: value

    def reveal(self) -> str:
        """The value in clear. Pass it on where it is needed and keep it nowhere."""
        return self.__reveal()

    @property
    def last4(self) -> str:
        """The last four characters for display; "" when the value is too short to show any of it."""
        value = self.reveal()
        return value[-4:] if len(value) >= LAST4_MIN_LENGTH else ""

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(to_bytes(self), to_bytes(other))

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("A Secret is never pickled; pass the row's id, or a Sealed value.")

    def __getstate__(self) -> NoReturn:
        raise TypeError("A Secret has no state to be taken out.")


def to_bytes(secret: Secret) -> bytes:
    """UTF-8. Lone surrogates pass, since UnicodeEncodeError would carry the value in its attributes."""
    return secret.reveal().encode("utf-8", "surrogatepass")


def from_bytes(value: bytes) -> Secret:
    """The inverse of to_bytes."""
    return Secret(value.decode("utf-8", "surrogatepass"))
