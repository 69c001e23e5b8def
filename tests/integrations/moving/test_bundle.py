"""The container of a bundle: what was changed, cut off or opened with a wrong key gives nothing."""

from __future__ import annotations

import base64
import io
import json
import os
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.moving import bundle
from integrations.moving.bundle import BundleError, BundleKey, BundleReader, BundleWriter, Damaged, WrongKey

KEY_TEXT = base64.b64encode(secrets.token_bytes(32)).decode()
KEY = BundleKey.of_key_file(KEY_TEXT)
RECORDS: list[dict[str, Any]] = [
    {"kind": "connection", "number": n, "token": "CCanary" + "x" * 900} for n in range(400)
]


def sealed(records: list[dict[str, Any]], key: BundleKey = KEY) -> bytes:
    stream = io.BytesIO()
    writer = BundleWriter(stream, key)
    for record in records:
        writer.write(record)
    writer.finish()
    return stream.getvalue()


def opened(content: bytes, key: BundleKey = KEY) -> list[dict[str, Any]]:
    return list(BundleReader(io.BytesIO(content), key).records())


def chunk_starts(content: bytes) -> list[int]:
    first = content.index(b"\n", content.index(b"\n") + 1) + 1
    return list(range(first, len(content), bundle.CHUNK_BYTES + 16))


@pytest.mark.parametrize("count", [0, 1, 60, 400])
def test_what_was_written_is_read_and_nothing_of_it_is_in_the_file(count: int) -> None:
    content = sealed(RECORDS[:count])
    assert opened(content) == RECORDS[:count]
    assert b"CCanary" not in content and b"connection" not in content


def test_a_bundle_may_be_read_twice() -> None:
    reader = BundleReader(io.BytesIO(sealed(RECORDS)), KEY)
    assert list(reader.records()) == list(reader.records()) == RECORDS


def test_a_chunk_of_exactly_full_size_is_read() -> None:
    text = "x" * (bundle.CHUNK_BYTES - len('{"a":""}\n'))
    assert opened(sealed([{"a": text}])) == [{"a": text}]
    assert opened(sealed([{"a": text}, {"b": 1}])) == [{"a": text}, {"b": 1}]


def test_a_passphrase_opens_it_and_another_one_is_named_as_wrong() -> None:
    content = sealed(RECORDS[:1], BundleKey.passphrase("correct horse battery"))
    assert opened(content, BundleKey.passphrase("correct horse battery")) == RECORDS[:1]
    with pytest.raises(WrongKey, match="does not open this bundle"):
        opened(content, BundleKey.passphrase("correct horse bakery"))
    with pytest.raises(WrongKey, match="opens with a passphrase"):
        opened(content, KEY)


def test_another_key_file_is_named_as_wrong() -> None:
    other = BundleKey.of_key_file(base64.b64encode(secrets.token_bytes(32)).decode())
    with pytest.raises(WrongKey):
        opened(sealed(RECORDS[:1]), other)


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_changed_bit_anywhere_is_noticed(position: int, bit: int) -> None:
    content = bytearray(sealed(RECORDS[:2]))
    content[position % len(content)] ^= 1 << bit
    with pytest.raises(BundleError):
        opened(bytes(content))


@given(length=st.integers(min_value=0))
def test_a_bundle_that_was_cut_off_is_noticed(length: int) -> None:
    content = sealed(RECORDS[:2])
    with pytest.raises(BundleError):
        opened(content[: length % len(content)])


def test_a_bundle_that_was_cut_off_between_chunks_is_noticed() -> None:
    content = sealed(RECORDS)
    starts = chunk_starts(content)
    assert len(starts) > 3
    for start in starts[1:]:
        with pytest.raises(Damaged, match="cut off"):
            opened(content[:start])


def test_chunks_that_were_swapped_left_out_or_added_are_noticed() -> None:
    content = sealed(RECORDS)
    a, b, c, *_ = chunk_starts(content)
    head, one, two, rest = content[:a], content[a:b], content[b:c], content[c:]
    for changed in (head + two + one + rest, head + one + rest, head + one + two + two + rest):
        with pytest.raises(Damaged):
            opened(changed)
    with pytest.raises(Damaged):
        opened(content + rest)
    with pytest.raises(Damaged):
        opened(content + b"\n")


def test_what_is_no_bundle_is_told_apart_from_a_wrong_key() -> None:
    for content in (b"", b"\n", b"{}\n", b'{"appSlug":"hbdev"}\n', secrets.token_bytes(500)):
        with pytest.raises(Damaged, match="no bundle"):
            opened(content)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"kdf": {"name": "scrypt", "n": 2**40, "r": 8, "p": 1}},
        {"kdf": {"name": "scrypt", "n": 3, "r": 8, "p": 1}},
        {"kdf": {"name": "scrypt", "n": True, "r": 8, "p": 1}},
        {"kdf": {"name": "none"}},
        {"kdf": []},
        {"salt": "00"},
        {"salt": 7},
        {"chunkBytes": 10**12},
    ],
)
def test_a_header_that_asks_for_something_else_is_refused_before_any_work(change: dict[str, Any]) -> None:
    content = sealed(RECORDS[:1])
    line, _, rest = content.partition(b"\n")
    changed = json.dumps({**json.loads(line), **change}, separators=(",", ":")).encode()
    with pytest.raises(Damaged):
        opened(changed + b"\n" + rest)


@pytest.mark.parametrize("text", ["", "short", "AAAA", "%" * 44])
def test_a_key_file_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match="openssl"):
        BundleKey.of_key_file(text)


def test_a_passphrase_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(BundleError, match="too short"):
        BundleKey.passphrase("hunter2")


def test_nothing_of_a_key_is_in_its_repr() -> None:
    assert "correct" not in repr(BundleKey.passphrase("correct horse battery"))
    assert KEY_TEXT not in repr(KEY)


@pytest.mark.parametrize("n", [2**17, 2**20])
def test_costs_that_do_not_fit_together_are_a_damaged_bundle_and_no_memory_error(n: int) -> None:
    """scrypt needs n < 2^(16 r) (RFC 7914 section 2); OpenSSL tells it as a lack of memory."""
    header = {
        "format": bundle.FORMAT,
        "version": bundle.VERSION,
        "cipher": "ChaCha20-Poly1305",
        "chunkBytes": bundle.CHUNK_BYTES,
        "salt": "00" * 16,
        "kdf": {"name": "scrypt", "n": n, "r": 1, "p": 1},
    }
    content = json.dumps(header, separators=(",", ":")).encode() + b"\n" + b"0" * 64 + b"\n"
    with pytest.raises(Damaged, match="cannot be derived"):
        opened(content, BundleKey.passphrase("a passphrase of some length"))


def test_a_bundle_from_a_pipe_is_refused_in_a_sentence() -> None:
    reading, writing = os.pipe()
    with open(writing, "wb") as sink:
        sink.write(sealed(RECORDS[:1]))
    with open(reading, "rb") as stream, pytest.raises(BundleError, match="not a pipe"):
        BundleReader(stream, KEY)
