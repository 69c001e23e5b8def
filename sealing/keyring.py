"""The key ring: FERNET_KEYS, newest first. Every value gets a key of its own, derived from its place.

Encryption is Fernet; the key is HKDF-SHA256 (RFC 5869) of a ring key with the place, "table.column:pk", as
`info` and without salt (a ring key is uniformly random already). Fernet has no associated data: the derived
key is what ties a value to its row and column. SECRET_KEY is never used.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

MAX_DERIVED_KEYS = 8192  # per process; about 1 KB each
_FINGERPRINT_LABEL = b"patchbay key fingerprint"
_FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


class Keyring:
    """An ordered set of Fernet keys; the first encrypts, all decrypt. Get the current one from `ring()`."""

    __slots__ = ("__keys",)

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.__keys = keys

    def __len__(self) -> int:
        return len(self.__keys)

    def __repr__(self) -> str:
        return f"<Keyring of {len(self)}>"

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Eight hexadecimal digits for each key, newest first: a name for a key that gives nothing of it away."""
        return tuple(fingerprint(key) for key in self.__keys)

    def encrypt(self, plaintext: bytes, *, context: str) -> bytes:
        """A Fernet token under the newest key, for this context alone."""
        return _derived(self.__keys[0], context).encrypt(plaintext)

    def decrypt(self, token: bytes, *, context: str) -> bytes:
        """Raises cryptography.fernet.InvalidToken when no key of the ring made it for this context."""
        return _derived_ring(self.__keys, context).decrypt(token)

    def find(self, token: bytes, *, context: str) -> tuple[int, bytes]:
        """Which key made this token for this context (0 the newest), and its plaintext. Raises InvalidToken."""
        for position, key in enumerate(self.__keys):
            try:
                # Not through _derived's cache: a look at many rows must not push out the keys that encrypt.
                return position, _derived.__wrapped__(key, context).decrypt(token)
            except InvalidToken:
                continue
        raise InvalidToken


def fingerprint(key: str) -> str:
    """The name that a Fernet key is told by."""
    return hashlib.sha256(_FINGERPRINT_LABEL + base64.urlsafe_b64decode(key)).hexdigest()[:8]


def ring() -> Keyring:
    """The ring that settings.FERNET_KEYS describes now. Raises ImproperlyConfigured naming the setting."""
    keys = getattr(settings, "FERNET_KEYS", None)
    if not isinstance(keys, list | tuple):
        raise ImproperlyConfigured("FERNET_KEYS must be a list of Fernet keys, newest first.")
    if not keys:
        raise ImproperlyConfigured("FERNET_KEYS is not set; secrets are neither stored nor read without it.")
    for position, key in enumerate(keys, start=1):
        if not isinstance(key, str):
            raise ImproperlyConfigured(f"FERNET_KEYS: entry {position} is not a string.")
    return _ring(tuple(keys))


@lru_cache(maxsize=8)
def _ring(keys: tuple[str, ...]) -> Keyring:
    for position, key in enumerate(keys, start=1):
        if not _FERNET_KEY.fullmatch(key):
            raise ImproperlyConfigured(
                f"FERNET_KEYS: entry {position} is not a Fernet key (32 bytes as url-safe base64)."
            )
    return Keyring(keys)


@lru_cache(maxsize=MAX_DERIVED_KEYS)
def _derived(key: str, context: str) -> Fernet:
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=context.encode())
    return Fernet(base64.urlsafe_b64encode(hkdf.derive(base64.urlsafe_b64decode(key))))


@lru_cache(maxsize=MAX_DERIVED_KEYS)
def _derived_ring(keys: tuple[str, ...], context: str) -> MultiFernet:
    # Not through _derived's cache: decrypting many rows must not push out the keys that encrypt.
    return MultiFernet([_derived.__wrapped__(key, context) for key in keys])
