"""Members by path."""

from __future__ import annotations

import copy
import pickle

import pytest

from integrations.oauth.errors import TokenEndpointError
from integrations.oauth.members import Members

DOCUMENT = {"hub_id": 7, "authed_user": {"id": "U1"}, "errors": [{"code": "x"}], "none": None}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hub_id", 7),
        ("authed_user.id", "U1"),
        ("errors.0.code", "x"),
        ("errors.1.code", None),
        ("errors.x", None),
        ("errors.-1", None),
        ("errors." + "9" * 5000, None),
        ("hub_id.x", None),
        ("absent", None),
        ("none", None),
        ("", None),
        ("$", DOCUMENT),
    ],
)
def test_a_value_is_found_by_its_dotted_path_or_is_none(path: str, value: object) -> None:
    assert Members(DOCUMENT).at(path) == value


def test_adm_02_members_do_not_show_and_do_not_travel() -> None:
    error = TokenEndpointError(status=400, error="invalid_grant", members=Members({"access_token": "SECRET"}))
    assert b"SECRET" not in pickle.dumps(error)
    assert "SECRET" not in f"{error!r} {vars(error)!r} {copy.copy(error).members!r}"
    assert pickle.loads(pickle.dumps(error)).error == "invalid_grant"
