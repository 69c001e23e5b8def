"""Usable answers of the token endpoint."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.oauth.errors import TokenEndpointError, UnreadableTokenResponse
from integrations.oauth.token_response import TokenPaths, TokenResponse, parse_token_response

JSON = "application/json;charset=UTF-8"
FORM = "application/x-www-form-urlencoded"


def answer(content: object, **settings: Any) -> TokenResponse:
    return parse_token_response(200, JSON, json.dumps(content).encode(), **settings)


def test_the_example_of_rfc_6749_section_5_1() -> None:
    response = answer(
        {
            "access_token": "2YotnFZFEjr1zCsicMWpAA",
            "token_type": "example",
            "expires_in": 3600,
            "refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA",
            "example_parameter": "example_value",
        }
    )
    assert response.access_token == "2YotnFZFEjr1zCsicMWpAA"
    assert response.refresh_token == "tGzv3JOkF0XG5Qx2TlKWIA"
    assert (response.token_type, response.expires_in, response.scopes) == ("example", 3600, None)
    assert response.raw == {"expires_in": 3600, "example_parameter": "example_value"}
    assert response.warnings == ()


def test_the_answer_of_hubspot_is_read_whole() -> None:
    response = answer(
        {
            "token_type": "bearer",
            "refresh_token": "na1-aaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "access_token": "CIrToaii",
            "hub_id": 1234567,
            "scopes": ["oauth", "crm.objects.contacts.read"],
            "expires_in": 1800,
            "token_use": "access_token",
        }
    )
    assert response.scopes == ("oauth", "crm.objects.contacts.read")
    assert response.members.at("hub_id") == 1234567
    assert response.raw["hub_id"] == 1234567


def test_tok_02_neither_lifetime_nor_refresh_token_is_invented() -> None:
    response = answer({"access_token": "gho_x", "scope": "repo", "token_type": "bearer"})
    assert (response.expires_in, response.refresh_token, response.warnings) == (None, None, ())


@pytest.mark.parametrize(
    "content",
    [
        '"soon"',
        "null",
        "-5",
        "1e308",
        "true",
        "[]",
        "NaN",
        "Infinity",
        "1e999",
        "9" * 500,
        "9" * 350,
        '"1e3"',
        '"٣"',
        "{}",
        '""',
        "315576001",
        "-0.5",
    ],
)
def test_tok_04_an_unusable_lifetime_counts_as_missing_and_is_warned_about(content: str) -> None:
    response = parse_token_response(200, JSON, f'{{"access_token":"a","expires_in":{content}}}'.encode())
    assert response.expires_in is None
    assert len(response.warnings) == 1
    assert "expires_in" in response.warnings[0]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3600.9, 3600),
        (" 3600 ", 3600),
        ("3600.9", 3600),
        (1, 1),
        (315_576_000, 315_576_000),
        ("0", 0),
        (0.4, 0),
    ],
)
def test_tok_04_a_number_in_any_spelling_is_rounded_down_to_seconds(value: object, seconds: int) -> None:
    response = answer({"access_token": "a", "expires_in": value})
    assert (response.expires_in, response.warnings) == (seconds, ())


def test_a_lifetime_in_milliseconds_is_told_in_seconds() -> None:
    assert answer({"access_token": "a", "expires_in": 3_600_999}, expires_in_unit="ms").expires_in == 3600


@pytest.mark.parametrize(
    "name", ["refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in"]
)
def test_tok_05_zero_is_expired_now_for_access_and_no_limit_for_refresh(name: str) -> None:
    response = answer({"access_token": "a", "expires_in": 0, "refresh_token": "r", name: 0})
    assert (response.expires_in, response.refresh_token_expires_in, response.warnings) == (0, None, ())
    limited = answer({"access_token": "a", "refresh_token": "r", name: 8_726_400})
    assert limited.refresh_token_expires_in == 8_726_400


def test_tok_07_a_form_encoded_answer_is_read() -> None:
    body = b"access_token=gho_x&scope=repo%2Cgist&token_type=bearer"
    response = parse_token_response(200, FORM, body)
    assert (response.access_token, response.scopes) == ("gho_x", ("repo", "gist"))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b'{"access_token":"a","token_type":"bearer"}'),
        ("text/html; charset=utf-8", b'\xef\xbb\xbf{"access_token":"a","token_type":"bearer"}'),
        ("application/json", b"access_token=a&token_type=bearer"),
        ("", b' \r\n{"access_token":"a"}\n'),
        ("application/json; charset=nonsense", b'{"access_token":"a"}'),
        ("application/json", '{"access_token":"a"}'.encode("utf-16")),
        ("application/json; charset=iso-8859-1", '{"access_token":"a","name":"é"}'.encode("latin-1")),
    ],
)
def test_tok_08_the_content_decides_how_it_is_read(content_type: str, body: bytes) -> None:
    assert parse_token_response(200, content_type, body).access_token == "a"


def test_tok_10_a_user_token_of_slack_is_found_by_its_path() -> None:
    paths = TokenPaths(
        access_token="authed_user.access_token",
        token_type="authed_user.token_type",
        scope="authed_user.scope",
        expires_in="authed_user.expires_in",
    )
    response = answer(
        {
            "ok": True,
            "authed_user": {
                "id": "U1",
                "access_token": "xoxp-1",
                "token_type": "user",
                "scope": "a,b",
                "expires_in": 9,
            },
        },
        paths=paths,
    )
    assert (response.access_token, response.token_type) == ("xoxp-1", "user")
    assert (response.scopes, response.expires_in) == (("a", "b"), 9)
    assert response.members.at("authed_user.id") == "U1"


def test_tok_16_very_long_tokens_stay_whole() -> None:
    response = answer({"access_token": "a" * 12_000, "refresh_token": "r" * 6_000})
    assert (response.access_token, response.refresh_token) == ("a" * 12_000, "r" * 6_000)


@pytest.mark.parametrize("empty", [None, "", "  ", "\n"])
def test_tok_20_null_and_empty_members_count_as_absent(empty: object) -> None:
    response = answer(
        {"access_token": "a", "refresh_token": empty, "id_token": empty, "scope": empty, "error": empty}
    )
    assert (response.refresh_token, response.scopes, response.token_type) == (None, None, "bearer")


@pytest.mark.parametrize(
    "content", [{"access_token": "a2", "expires_in": 1800}, {"access_token": "a2", "refresh_token": ""}]
)
def test_ref_01_an_answer_without_a_refresh_token_says_so(content: dict[str, object]) -> None:
    assert answer(content).refresh_token is None


@pytest.mark.parametrize("token", ["tok\n", " tok ", "\ttok\r\n"])
def test_tok_22_white_space_around_tokens_is_trimmed(token: str) -> None:
    response = answer({"access_token": token, "refresh_token": token})
    assert (response.access_token, response.refresh_token) == ("tok", "tok")


@pytest.mark.parametrize(
    "token",
    ["to\r\nX-Evil: 1", "to\x00k", "to\tk", "to\x7fk", "to\x85k", "tok\ud800", 12345, True, ["a"], {}],
)
@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_tok_22_a_token_with_control_characters_or_of_another_type_is_refused(
    name: str, token: object
) -> None:
    with pytest.raises(UnreadableTokenResponse) as refused:
        answer({"access_token": "a"} | {name: token})
    assert name in refused.value.reason
    assert "Evil" not in f"{refused.value} {refused.value!r}"


def test_an_access_token_that_no_header_field_can_carry_is_refused() -> None:
    with pytest.raises(UnreadableTokenResponse, match="access_token holds characters"):
        answer({"access_token": "tökén"})


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("a b", ("a", "b")),
        ("a,b", ("a", "b")),
        ("a, b  a", ("a", "b")),
        (["a", "b c", "a"], ("a", "b", "c")),
        ([], ()),
        ("", None),
        ({"a": 1}, None),
        (["a", 1], ("a",)),
    ],
)
def test_granted_scopes_are_read_in_any_shape(scope: object, scopes: tuple[str, ...] | None) -> None:
    assert answer({"access_token": "a", "scope": scope}).scopes == scopes
    assert answer({"access_token": "a", "scopes": scope}).scopes == scopes


def test_only_the_named_separators_split_scopes() -> None:
    assert answer({"access_token": "a", "scope": "a,b c"}, scope_separators=" ").scopes == ("a,b", "c")
    assert answer({"access_token": "a", "scope": "a+b"}, scope_separators="+").scopes == ("a", "b")


@pytest.mark.parametrize(
    ("given_type", "read"),
    [("Bearer", "Bearer"), (None, "bearer"), ("", "bearer"), (7, "bearer"), ("a b", "bearer")],
)
def test_an_odd_token_type_is_taken_as_bearer(given_type: object, read: str) -> None:
    assert answer({"access_token": "tok", "token_type": given_type}).token_type == read


def test_of_a_repeated_member_the_last_value_counts_and_is_warned_about() -> None:
    response = parse_token_response(200, JSON, b'{"access_token":"a","expires_in":1,"access_token":"b"}')
    assert response.access_token == "b"
    assert len(response.warnings) == 1
    response = parse_token_response(200, FORM, b"access_token=a&scope=x&scope=y")
    assert (response.scopes, response.warnings) == (
        ("y",),
        ("scope came more than once, the last value counts",),
    )


def test_adm_02_raw_members_hold_no_secret_and_can_be_stored() -> None:
    response = answer(
        {
            "access_token": "SECRET1",
            "refresh_token": "SECRET2",
            "id_token": "SECRET3",
            "hub_id": 7,
            "realm": "r\ud800\x00",
            "url": "https://a.example/?t=SECRET1",
            "authed_user": {"id": "U1", "access_token": "SECRET4"},
            "list": [{"refreshToken": "SECRET5", "n": 1}],
        }
    )
    assert "SECRET" not in json.dumps(response.raw)
    assert response.raw == {
        "hub_id": 7,
        "realm": "r\ufffd\ufffd",
        "url": None,
        "authed_user": {"id": "U1"},
        "list": [{"n": 1}],
    }
    json.dumps(response.raw, allow_nan=False).encode("utf-8")


def test_adm_02_no_representation_shows_a_token_or_a_member() -> None:
    response = answer(
        {"access_token": "SECRET1", "refresh_token": "SECRET2", "email": "SECRET3", "token_type": "SECRET1"}
    )
    assert "SECRET" not in f"{response!r} {response} {response.members!r} {response.members}"


def test_a_deeply_nested_member_does_no_harm() -> None:
    nested = "[" * 200 + "]" * 200
    response = parse_token_response(200, JSON, f'{{"access_token":"a","x":{nested}}}'.encode())
    assert response.access_token == "a"
    json.dumps(response.raw)


def outcome(status: int, content_type: str, body: bytes) -> TokenResponse | TokenEndpointError:
    try:
        return parse_token_response(status, content_type, body)
    except TokenEndpointError as error:
        return error


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)
NAMES = [
    "access_token",
    "refresh_token",
    "expires_in",
    "token_type",
    "scope",
    "error",
    "error_description",
    "errors",
]


@given(
    content=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), JSON_VALUES, max_size=8),
    status=st.sampled_from([200, 201, 302, 400, 401, 500]),
)
def test_any_json_object_is_a_response_or_one_of_our_errors(content: dict[str, object], status: int) -> None:
    response = outcome(status, JSON, json.dumps(content).encode())
    if isinstance(response, TokenEndpointError):
        assert str(response).isprintable()
        return
    assert response.access_token.isascii()
    assert response.access_token.isprintable()
    assert response.expires_in is None or 0 <= response.expires_in <= 315_576_000
    json.dumps(response.raw, allow_nan=False, ensure_ascii=False).encode("utf-8")


@given(body=st.binary(max_size=200), content_type=st.text(max_size=40))
def test_any_octets_are_a_response_or_one_of_our_errors(body: bytes, content_type: str) -> None:
    for prefix in (b"", b"access_token=a&", b'{"access_token":"a",'):
        response = outcome(200, content_type, prefix + body)
        assert str(response).isprintable()
        assert isinstance(response, TokenResponse | TokenEndpointError)


@pytest.mark.parametrize(
    ("unit", "told", "seconds"),
    [
        ("epoch_s", lambda now: now + 3600, 3599),
        ("epoch_s", lambda now: str(now + 3600), 3599),
        ("epoch_ms", lambda now: (now + 3600) * 1000, 3599),
        ("epoch_s", lambda now: now - 10, 0),
        ("iso8601", lambda now: datetime.fromtimestamp(now + 3600, UTC).isoformat(), 3599),
        ("iso8601", lambda now: datetime.fromtimestamp(now + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), 3599),
        ("iso8601", lambda now: datetime.fromtimestamp(now + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%S"), 3599),
        ("iso8601", lambda now: "2001-01-01T00:00:00Z", 0),
        ("iso8601", lambda now: "tomorrow", None),
        ("iso8601", lambda now: 3600, None),
        ("epoch_s", lambda now: 10**14, None),
        ("epoch_s", lambda now: True, None),
    ],
    ids=[
        "s",
        "text",
        "ms",
        "past",
        "offset",
        "Z",
        "no offset",
        "long past",
        "words",
        "number",
        "far",
        "bool",
    ],
)
def test_the_end_may_be_told_as_a_moment(unit: Any, told: Any, seconds: int | None) -> None:
    found = answer(
        {"access_token": "a", "expires_in": told(int(time.time()) + 1)}, expires_in_unit=unit
    ).expires_in
    assert found == seconds or (seconds == 3599 and found in (3599, 3600))
