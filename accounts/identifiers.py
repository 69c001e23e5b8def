"""The partner's own name for its customer (`userForeignIdentifier`): any text of 1 to 1,024 characters."""

from __future__ import annotations

import hashlib
import unicodedata

MAX_CHARACTERS = 1_024
#: `~` is the passthrough's second door; the dots are path segments that a URL cannot carry.
RESERVED = frozenset({".", "..", "~"})


class InvalidIdentifier(ValueError):
    """A foreign identifier that cannot be used; the message is a sentence for the caller."""


def check_identifier(value: str) -> str:
    """Return value unchanged, or raise InvalidIdentifier. Nothing is trimmed, folded or normalised."""
    if not isinstance(value, str):
        raise InvalidIdentifier("The identifier must be a string.")
    if not value:
        raise InvalidIdentifier("The identifier must not be empty.")
    if len(value) > MAX_CHARACTERS:
        raise InvalidIdentifier(
            f"The identifier has {len(value)} characters; at most {MAX_CHARACTERS} are allowed."
        )
    if value in RESERVED:
        raise InvalidIdentifier(
            "'.', '..' and '~' cannot be identifiers, since they mean something in a URL."
        )
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise InvalidIdentifier("The identifier must not contain control characters.")
    return value


def digest(value: str) -> str:
    """SHA-256 in hex: what uniqueness hangs on, since 1,024 characters do not fit a B-tree entry."""
    return hashlib.sha256(value.encode("utf-8")).hexdigest()
