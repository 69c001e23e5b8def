"""The encrypted container of a bundle: lines of JSON in, authenticated chunks out, and back.

A header line of JSON, a line with its HMAC-SHA256 in hex, then chunks of ChaCha20-Poly1305 (RFC 8439) in the STREAM
construction (Hoang, Reyhanitabar, Rogaway, Vizar, 2015): the nonce is an 11-byte counter and one byte that
says whether the chunk is the last, so that chunks can be neither left out, reordered nor cut off at the end.
The key is scrypt of a passphrase (RFC 7914) or 256 random bits of a key file, through HKDF-SHA256 (RFC 5869)
with a salt of this bundle alone. No plain text touches a disk, and memory does not grow with the bundle.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from integrations.errors import IntegrationsError

FORMAT = "patchbay-bundle"
VERSION = 1
CHUNK_BYTES = 64 * 1024
KEY_BYTES = 32
SHORTEST_PASSPHRASE = 12
LONGEST_LINE = 1024 * 1024
_TAG_BYTES = 16
_SALT_BYTES = 16
_LONGEST_HEADER = 2_048
#: 128 MiB and about half a second; a bundle that asks for far more would be an attack on the reader
_SCRYPT = {"n": 2**17, "r": 8, "p": 1}
_DEAREST_SCRYPT = {"n": 2**20, "r": 16, "p": 4}


class BundleError(IntegrationsError):
    """A bundle that cannot be used; str() is a sentence for the operator."""


class WrongKey(BundleError):
    """The passphrase or key does not fit this bundle, or its header was changed."""


class Damaged(BundleError):
    """Not a bundle of ours, changed, or cut off."""


class BundleKey:
    """What opens a bundle: a passphrase, or the 32 bytes of a key file."""

    __slots__ = ("__secret", "kind")

    def __init__(self, secret: bytes, *, kind: str) -> None:
        self.__secret = secret
        self.kind = kind

    @classmethod
    def passphrase(cls, text: str) -> BundleKey:
        """Raises BundleError when it is too short to withstand guessing."""
        if len(text) < SHORTEST_PASSPHRASE:
            raise BundleError(f"The passphrase is too short: at least {SHORTEST_PASSPHRASE} characters.")
        return cls(text.encode("utf-8", "surrogatepass"), kind="scrypt")

    @classmethod
    def of_key_file(cls, text: str) -> BundleKey:
        """text: 32 bytes in base64, as `openssl rand -base64 32` prints them. Raises BundleError."""
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except (ValueError, binascii.Error):
            key = b""
        if len(key) != KEY_BYTES:
            raise BundleError("The key file must hold 32 bytes in base64: openssl rand -base64 32")
        return cls(key, kind="key-file")

    def derive(self, header: dict[str, Any]) -> tuple[bytes, bytes]:
        """(key of the chunks, key of the header's HMAC) for the salt and costs of a header. Raises Damaged."""
        salt = bytes.fromhex(header["salt"])
        material = self.__secret
        if self.kind == "scrypt":
            costs = {name: int(header["kdf"][name]) for name in _SCRYPT}
            try:
                material = Scrypt(salt=salt, length=KEY_BYTES, **costs).derive(material)
            except (
                ValueError,
                MemoryError,
            ):  # OpenSSL also reports costs that do not fit together as the latter
                raise Damaged(
                    "The key of the bundle cannot be derived here: its costs are too high."
                ) from None
        hkdf = HKDF(algorithm=SHA256(), length=2 * KEY_BYTES, salt=salt, info=f"{FORMAT} {VERSION}".encode())
        keys = hkdf.derive(material)
        return keys[:KEY_BYTES], keys[KEY_BYTES:]


class BundleWriter:
    """Writes objects as encrypted lines. Without finish() the result is no bundle, and is refused as cut off."""

    def __init__(self, stream: BinaryIO, key: BundleKey) -> None:
        header: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "cipher": "ChaCha20-Poly1305",
            "chunkBytes": CHUNK_BYTES,
            "salt": secrets.token_hex(_SALT_BYTES),
            "kdf": {"name": key.kind, **(_SCRYPT if key.kind == "scrypt" else {})},
        }
        chunk_key, header_key = key.derive(header)
        line = json.dumps(header, separators=(",", ":")).encode()
        self._tag = hmac.digest(header_key, line, hashlib.sha256)
        self._stream, self._cipher = stream, ChaCha20Poly1305(chunk_key)
        self._buffer, self._counter = bytearray(), 0
        stream.write(line + b"\n" + self._tag.hex().encode() + b"\n")

    def write(self, record: dict[str, Any]) -> None:
        """Append one record."""
        self._buffer += json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        self._buffer += b"\n"
        while len(self._buffer) > CHUNK_BYTES:  # never all of it: the last chunk is told by finish()
            self._seal(bytes(self._buffer[:CHUNK_BYTES]), is_last=False)
            del self._buffer[:CHUNK_BYTES]

    def finish(self) -> None:
        """Write the last chunk, marked as such."""
        self._seal(bytes(self._buffer), is_last=True)
        self._buffer.clear()

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._stream.write(self._cipher.encrypt(_nonce(self._counter, is_last=is_last), chunk, self._tag))
        self._counter += 1


class BundleReader:
    """Reads a bundle from a seekable stream, as often as asked. Raises WrongKey and Damaged."""

    def __init__(self, stream: BinaryIO, key: BundleKey) -> None:
        if not stream.seekable():
            raise BundleError("A bundle is read twice, so it has to be a file, not a pipe.")
        line = _header_line(stream)
        tag_line = stream.readline(2 * KEY_BYTES + 2)
        header = _checked_header(line)
        if header["kdf"]["name"] != key.kind:
            wanted = "a passphrase" if header["kdf"]["name"] == "scrypt" else "a key file"
            raise WrongKey(f"This bundle opens with {wanted}.")
        chunk_key, header_key = key.derive(header)
        self._tag = hmac.digest(header_key, line, hashlib.sha256)
        if not hmac.compare_digest(self._tag.hex().encode() + b"\n", tag_line):
            raise WrongKey("The passphrase or key does not open this bundle (or its first line was changed).")
        self._stream, self._cipher = stream, ChaCha20Poly1305(chunk_key)
        self._start = stream.tell()

    def records(self) -> Iterator[dict[str, Any]]:
        """Every record in order. What was yielded is authentic; that nothing is missing is known at the end."""
        rest = b""
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                raise Damaged("The bundle holds a record that is too long.")
            for line in lines:
                yield _record(line)
        if rest:
            raise Damaged("The bundle ends in the middle of a record.")

    def _chunks(self) -> Iterator[bytes]:
        self._stream.seek(self._start)
        size = CHUNK_BYTES + _TAG_BYTES
        counter, sealed = 0, self._stream.read(size)
        while True:
            following = self._stream.read(size)
            try:
                yield self._cipher.decrypt(_nonce(counter, is_last=not following), sealed, self._tag)
            except (InvalidTag, ValueError):
                raise Damaged(
                    f"The bundle was changed or cut off (part {counter + 1} is not what was written)."
                ) from None
            if not following:
                return
            counter, sealed = counter + 1, following


def _nonce(counter: int, *, is_last: bool) -> bytes:
    return counter.to_bytes(11, "big") + (b"\x01" if is_last else b"\x00")


def _header_line(stream: BinaryIO) -> bytes:
    line = stream.readline(_LONGEST_HEADER)
    if not line.startswith(b'{"format":"' + FORMAT.encode() + b'"') or not line.endswith(b"\n"):
        raise Damaged("This file is no bundle of export_connections.")
    return line[:-1]


def _checked_header(line: bytes) -> dict[str, Any]:
    """Everything is judged before any of it is trusted with time or memory."""
    try:
        header = json.loads(line)
        if header["version"] != VERSION:
            raise Damaged(
                "The bundle was written by another version of Patchbay, in a form this one cannot read."
            )
        kdf = header["kdf"]
        costs = {name: kdf[name] for name in _SCRYPT} if kdf["name"] == "scrypt" else {}
        is_known = (
            header["cipher"] == "ChaCha20-Poly1305"
            and header["chunkBytes"] == CHUNK_BYTES
            and kdf["name"] in ("scrypt", "key-file")
            and len(bytes.fromhex(header["salt"])) == _SALT_BYTES
            and all(type(value) is int and 0 < value <= _DEAREST_SCRYPT[n] for n, value in costs.items())
            and (not costs or (costs["n"] > 1 and costs["n"] & (costs["n"] - 1) == 0))
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Damaged("The first line of the bundle cannot be read.") from None
    if not is_known:
        raise Damaged("The first line of the bundle holds values that this version does not use.")
    return dict(header)


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise Damaged("The bundle holds a line that is no record.")
    return record
