import base64
import logging

import pytest
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from sealing import keyring

#: a right key, the same in every process: it names a test
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def test_the_key_of_a_value_is_hkdf_of_the_newest_ring_key_and_its_place(new_key):
    key = new_key()
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"t.c:1")
    expected = Fernet(base64.urlsafe_b64encode(hkdf.derive(base64.urlsafe_b64decode(key))))
    with override_settings(FERNET_KEYS=[key, new_key()]):
        token = keyring.ring().encrypt(b"v", context="t.c:1")
    assert expected.decrypt(token) == b"v"
    with pytest.raises(InvalidToken):
        MultiFernet([Fernet(key)]).decrypt(token)


def test_a_value_opens_in_its_own_place_only():
    token = keyring.ring().encrypt(b"v", context="t.c:1")
    assert keyring.ring().decrypt(token, context="t.c:1") == b"v"
    for elsewhere in ("t.c:2", "t.d:1", "u.c:1", "t.c:1 ", ""):
        with pytest.raises(InvalidToken):
            keyring.ring().decrypt(token, context=elsewhere)


def test_every_key_of_the_ring_opens_and_the_first_one_seals(new_key):
    old, new = new_key(), new_key()
    with override_settings(FERNET_KEYS=[old]):
        token = keyring.ring().encrypt(b"v", context="c")
    with override_settings(FERNET_KEYS=[new, old]):
        assert keyring.ring().decrypt(token, context="c") == b"v"
        assert keyring.ring().find(token, context="c") == (1, b"v")
        assert keyring.ring().find(keyring.ring().encrypt(b"v", context="c"), context="c") == (0, b"v")
    with override_settings(FERNET_KEYS=[new]), pytest.raises(InvalidToken):
        keyring.ring().decrypt(token, context="c")


def test_keys_are_told_apart_by_fingerprints_that_hold_nothing_of_them(new_key):
    first, second = new_key(), new_key()
    with override_settings(FERNET_KEYS=[first, second]):
        names = keyring.ring().fingerprints
    assert names == (keyring.fingerprint(first), keyring.fingerprint(second)) and names[0] != names[1]
    for name, key in zip(names, (first, second), strict=True):
        assert len(name) == 8 and int(name, 16) >= 0 and name not in key


@pytest.mark.parametrize(
    "keys",
    [
        None,
        [],
        (),
        "",
        KEY,
        [KEY.encode()],
        [""],
        [[]],
        ["hunter2-hunter2"],
        [KEY, "hunter2-hunter2-hunter2-hunter2-hunter2-hun"],
        [KEY + "\n"],
        ["*" + KEY[1:]],
    ],
)
@override_settings(SECRET_KEY="hunter2-secret-key")
def test_adm_05_a_wrong_ring_is_refused_by_the_name_of_the_setting_and_never_replaced(keys):
    with (
        override_settings(FERNET_KEYS=keys),
        pytest.raises(ImproperlyConfigured, match="FERNET_KEYS") as caught,
    ):
        keyring.ring().encrypt(b"v", context="c")
    assert "hunter2" not in str(caught.value)
    assert not isinstance(keys, list) or not any(
        key in str(caught.value) for key in keys if isinstance(key, str) and key
    )


def test_adm_05_a_missing_setting_is_refused_by_name(settings):
    del settings.FERNET_KEYS
    with pytest.raises(ImproperlyConfigured, match="FERNET_KEYS"):
        keyring.ring()


def test_the_message_says_which_entry_is_wrong(new_key):
    with (
        override_settings(FERNET_KEYS=[new_key(), new_key(), "nope"]),
        pytest.raises(ImproperlyConfigured, match="entry 3"),
    ):
        keyring.ring()


def test_the_ring_does_not_show_its_keys(new_key, caplog):
    key = new_key()
    with override_settings(FERNET_KEYS=[key]), caplog.at_level(logging.DEBUG):
        shown = repr(keyring.ring()) + str(keyring.ring())
        logging.getLogger("x").warning("%s", keyring.ring())
    assert key not in shown + caplog.text


def test_derived_keys_are_kept_within_a_bound():
    for cache in (keyring._derived, keyring._derived_ring, keyring._ring):
        assert cache.cache_info().maxsize
    before = keyring._derived_ring.cache_info().hits
    token = keyring.ring().encrypt(b"v", context="warm")
    for _ in range(3):
        keyring.ring().decrypt(token, context="warm")
    assert keyring._derived_ring.cache_info().hits >= before + 2
