import json
import pickle
import uuid
from datetime import UTC, datetime

import pytest
from django.test import override_settings

from sealing import Sealed, Secret, UnreadableSecret, seal
from tests.sealing.models import Account, SpecialAccount

CLEAR = "tok-1234567890abcdef"


@pytest.fixture
def sealed():
    return seal(Secret(CLEAR), model=Account, field="token", pk=uuid.uuid4())


def test_a_sealed_value_opens_to_a_secret(sealed):
    assert sealed.open() == Secret(CLEAR)
    assert sealed.is_readable()


@pytest.mark.parametrize("value", ["", " ", "x" * 100_000, "日本 \x00 🎉", "\ud800"])
def test_every_string_comes_back_as_it_was(value):
    assert seal(value, model=Account, field="token", pk=uuid.uuid4()).open().reveal() == value


def test_the_context_names_table_column_and_row():
    pk = uuid.uuid4()
    for form in (pk, str(pk), str(pk).upper(), pk.hex):
        assert seal("x", model=Account, field="token", pk=form).context == f"sealing_tests_account.token:{pk}"
    inherited = seal("x", model=SpecialAccount, field="token", pk=pk)
    assert inherited.context == f"sealing_tests_account.token:{pk}"


def test_a_value_moved_to_another_row_or_column_does_not_open(sealed):
    assert not sealed.bind(uuid.uuid4()).is_readable()
    assert not Sealed(sealed.ciphertext, column="sealing_tests_account.other", pk=sealed.pk).is_readable()
    assert sealed.bind(sealed.pk).is_readable()


def test_a_sealed_value_shows_its_place_and_nothing_else(sealed):
    for shown in (repr(sealed), str(sealed), f"{sealed}", f"{sealed!r}"):
        assert shown == f"<Sealed {sealed.context}>"
        assert CLEAR not in shown and sealed.ciphertext.decode() not in shown


def test_json_refuses_a_sealed_value_and_pickle_carries_ciphertext_only(sealed):
    with pytest.raises(TypeError):
        json.dumps(sealed)
    raw = pickle.dumps(sealed)
    assert CLEAR.encode() not in raw
    assert pickle.loads(raw).open() == Secret(CLEAR)


def test_sealed_values_are_equal_by_ciphertext(sealed):
    again = seal(CLEAR, model=Account, field="token", pk=sealed.pk)
    assert sealed == sealed.bind(None) and hash(sealed) == hash(sealed.bind(None))
    assert sealed != again
    assert sealed != CLEAR


@pytest.mark.parametrize(
    "tamper",
    [
        lambda raw: raw[:-1],
        lambda raw: raw[:40] + bytes([raw[40] ^ 1]) + raw[41:],
        lambda raw: b"\x80" + raw[1:],
        lambda raw: b"",
        lambda raw: b"\xff\xfe\x00",
        lambda raw: b"plain-token",
    ],
)
def test_an_altered_or_plain_value_never_opens(tamper, sealed):
    altered = Sealed(tamper(sealed.ciphertext), column=sealed.column, pk=sealed.pk)
    assert not altered.is_readable()
    with pytest.raises(UnreadableSecret) as caught:
        altered.open()
    assert caught.value.context == sealed.context
    assert sealed.context in str(caught.value) and "FERNET_KEYS" in str(caught.value)
    assert CLEAR not in str(caught.value) and "plain-token" not in repr(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert pickle.loads(pickle.dumps(caught.value)).context == sealed.context


def test_a_value_does_not_open_once_its_key_is_gone(sealed, new_key):
    with override_settings(FERNET_KEYS=[new_key()]):
        assert not sealed.is_readable()
    assert sealed.is_readable()


def test_a_value_tells_which_key_it_is_under_and_is_resealed_under_the_newest(sealed, new_key, settings):
    old, new = settings.FERNET_KEYS[0], new_key()
    assert sealed.key_position() == 0 and sealed.resealed() is None
    with override_settings(FERNET_KEYS=[new, old]):
        assert sealed.key_position() == 1
        renewed = sealed.resealed()
    with override_settings(FERNET_KEYS=[new]):
        assert sealed.key_position() is None
        assert renewed.open() == Secret(CLEAR) and renewed.context == sealed.context
        with pytest.raises(UnreadableSecret):
            sealed.resealed()


def test_a_value_claims_when_it_was_sealed_also_without_its_key(sealed, new_key):
    with override_settings(FERNET_KEYS=[new_key()]):
        assert abs((datetime.now(UTC) - sealed.claimed_time).total_seconds()) < 60
    for raw in (b"", b"plain", b"plain-token-of-an-earlier-program", b"\xff\xfe" * 20, b"gAAAAA"):
        assert Sealed(raw, column="t.c", pk=1).claimed_time is None


def test_a_value_without_its_row_cannot_be_opened(sealed):
    for ask in (Sealed.open, Sealed.is_readable, Sealed.key_position, Sealed.resealed):
        with pytest.raises(ValueError, match="bind"):
            ask(sealed.bind(None))


def test_seal_needs_a_sealed_field_and_a_row():
    with pytest.raises(TypeError, match="not a SealedField"):
        seal("x", model=Account, field="name", pk=uuid.uuid4())
    with pytest.raises(ValueError, match="primary key"):
        seal("x", model=Account, field="token", pk=None)
    with pytest.raises(TypeError):
        seal(b"x", model=Account, field="token", pk=uuid.uuid4())
