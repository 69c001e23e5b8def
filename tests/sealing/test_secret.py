import copy
import json
import logging
import pickle
import pprint
import traceback

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from rest_framework.utils.encoders import JSONEncoder

from sealing import Secret

CLEAR = "tok-1234567890abcdef"


@pytest.fixture
def secret():
    return Secret(CLEAR)


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        format,
        "{:>40}".format,
        "{!r}".format,
        lambda s: f"{s}",
        lambda s: f"{s!s:.3}",
        lambda s: "%s %r" % (s, s),  # noqa: UP031 (logging does this)
        lambda s: str([s]) + str({"a": s}) + str((s,)),
        pprint.pformat,
        ascii,
    ],
)
def test_a_secret_is_masked_however_it_is_shown(show, secret):
    shown = show(secret)
    assert CLEAR not in shown and "tok" not in shown and "cdef" not in shown
    assert shown != ""


def test_a_secret_reveals_its_value_when_asked(secret):
    assert secret.reveal() == CLEAR


@pytest.mark.parametrize("encoder", [None, DjangoJSONEncoder, JSONEncoder])
def test_json_refuses_a_secret(encoder, secret):
    with pytest.raises(TypeError) as caught:
        json.dumps({"a": secret}, cls=encoder)
    assert CLEAR not in str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_refuses_a_secret_also_inside_other_objects(protocol, secret):
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps({"deep": [secret]}, protocol)


def test_the_state_of_a_secret_cannot_be_taken_out(secret):
    with pytest.raises(TypeError):
        secret.__getstate__()
    with pytest.raises(TypeError):
        secret.__reduce__()
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError):
        list(secret)
    with pytest.raises(TypeError):
        bytes(secret)
    with pytest.raises(TypeError):
        "x" + secret
    assert not isinstance(secret, str)


def test_walking_over_the_attributes_of_a_secret_does_not_find_the_value(secret):
    found = {name: getattr(secret, name, None) for name in dir(secret) if name not in {"last4", "reveal"}}
    assert CLEAR not in repr(found)


def test_a_copy_of_a_secret_is_still_masked(secret):
    for made in (copy.copy(secret), copy.deepcopy({"a": secret})["a"]):
        assert isinstance(made, Secret) and made == secret and CLEAR not in repr(made)


def test_logging_a_secret_shows_the_mask(secret, caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("got %s and %r", secret, {"token": secret})
    assert "got" in caplog.text and CLEAR not in caplog.text


def test_adm_02_a_traceback_with_its_local_variables_does_not_show_the_secret():
    def fail(token):
        held = {"token": token}
        raise ValueError(f"failed with {token} in {len(held)}")

    token = Secret("".join(["tok-", "1234567890", "abcdef"]))
    with pytest.raises(ValueError) as caught:
        fail(token)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "held = " in shown and CLEAR not in shown


def test_secrets_are_equal_by_value_and_never_to_a_string(secret):
    assert secret == Secret(CLEAR)
    assert secret != Secret("something else")
    assert secret != CLEAR
    assert Secret("\ud800é") == Secret("\ud800é")


def test_a_secret_cannot_be_hashed(secret):
    with pytest.raises(TypeError):
        hash(secret)


@pytest.mark.parametrize(
    ("value", "shown"), [("", ""), ("short", ""), ("12345678901", ""), ("123456789012", "9012")]
)
def test_the_last_four_characters_are_shown_of_long_values_only(value, shown):
    assert Secret(value).last4 == shown


def test_a_secret_is_true_when_it_holds_something(secret):
    assert secret
    assert not Secret("")


@pytest.mark.parametrize("value", [None, b"tok-bytes", 17, Secret("tok-inner")])
def test_a_secret_holds_a_string_and_the_refusal_does_not_repeat_the_value(value):
    with pytest.raises(TypeError) as caught:
        Secret(value)
    assert "tok" not in str(caught.value) and "17" not in str(caught.value)
