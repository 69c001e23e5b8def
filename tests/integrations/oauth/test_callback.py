"""The callback's query."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.oauth.callback import Callback, check_issuer, parse_callback
from integrations.oauth.errors import IssuerMismatch


def test_the_example_of_rfc_6749_section_4_1_2() -> None:
    callback = parse_callback(b"code=SplxlOBeZQQYbYS6WxSbIA&state=xyz")
    assert callback == Callback(code="SplxlOBeZQQYbYS6WxSbIA", state="xyz")


def test_the_error_example_of_rfc_6749_section_4_1_2_1() -> None:
    callback = parse_callback("error=access_denied&state=xyz")
    assert (callback.error, callback.state, callback.code) == ("access_denied", "xyz", None)


@pytest.mark.parametrize("query", ["code=4%2F0AbC%2Bd%3D%3D", b"code=4%2F0AbC%2Bd%3D%3D"])
def test_cal_08_a_code_is_decoded_once(query: str | bytes) -> None:
    assert parse_callback(query).code == "4/0AbC+d=="


def test_cal_08_an_encoded_percent_sign_is_not_decoded_again() -> None:
    assert parse_callback("code=a%252Fb").code == "a%2Fb"


def test_cal_15_hostile_error_text_is_one_line_of_at_most_500_characters() -> None:
    callback = parse_callback(
        "error=access_denied&error_description=%3Cscript%3Ealert(1)%3C%2Fscript%3E%0d%0aX:1&state=s"
    )
    assert callback.error_description == "<script>alert(1)</script> X:1"
    long = parse_callback("error_description=" + "%0Aab" * 400).error_description
    assert long is not None
    assert len(long) == 500
    assert long.isprintable()


def test_cal_16_named_parameters_are_captured_and_others_dropped() -> None:
    callback = parse_callback(
        "code=c&state=s&realmId=9130&location=eu&accounts-server=https%3A%2F%2Fevil.example&x=1",
        captures=["realmId", "accounts-server", "absent"],
    )
    assert dict(callback.captured) == {"realmId": "9130", "accounts-server": "https://evil.example"}


def test_cal_16_code_and_state_are_never_captured() -> None:
    assert not parse_callback("code=c&state=s", captures=["code", "state"]).captured


@pytest.mark.parametrize("name", ["code", "state", "error", "iss"])
@pytest.mark.parametrize("values", [("a", "b"), ("a", "a"), ("a", "")])
def test_rfc_6749_section_3_1_a_repeated_parameter_is_told_and_has_no_value(
    name: str, values: tuple[str, str]
) -> None:
    callback = parse_callback(f"{name}={values[0]}&x=1&{name}={values[1]}")
    assert callback.repeated == (name,)
    assert getattr(callback, name) is None


def test_a_name_repeated_in_another_encoding_is_repeated() -> None:
    assert parse_callback("code=a&c%6Fde=b").repeated == ("code",)


def test_a_repeated_parameter_that_nobody_asked_for_does_not_matter() -> None:
    callback = parse_callback("code=c&state=s&x=1&x=2")
    assert callback == Callback(code="c", state="s")


@pytest.mark.parametrize("query", ["code=%FF", "code=a%00b", "code=a%0D%0Ab", "code=" + "a" * 8193])
def test_a_value_that_is_no_text_is_malformed(query: str) -> None:
    callback = parse_callback(query)
    assert callback.code is None
    assert callback.malformed == ("code",)


def test_a_broken_percent_sign_stays_as_it_is() -> None:
    assert parse_callback("code=100%zz").code == "100%zz"


@pytest.mark.parametrize("query", ["", "?", b"", "code=", "&&&", "=", "code"])
def test_nothing_is_nothing(query: str | bytes) -> None:
    assert parse_callback(query) == Callback()


@pytest.mark.parametrize("query", ["code=" + "a" * 70_000, "&".join(["a=1"] * 500)])
def test_an_oversized_query_is_malformed_as_a_whole(query: str) -> None:
    assert parse_callback(query) == Callback(malformed=("",))


def test_an_install_that_starts_at_the_provider_is_recognised() -> None:
    callback = parse_callback("?step=authorize&returnUrl=https%3A%2F%2Fapp-eu1.hubspot.com%2Fx%3Fa%3D1")
    assert callback.step == "authorize"
    assert callback.return_url == "https://app-eu1.hubspot.com/x?a=1"
    assert callback.code is None


def test_a_code_may_have_another_name() -> None:
    assert parse_callback("auth_code=c&code=d", code_parameter="auth_code").code == "c"


@pytest.mark.parametrize(
    ("uri", "kept"), [("https://a.example/e", True), ("javascript:alert(1)", False), ("data:,x", False)]
)
def test_an_error_uri_is_kept_only_when_it_is_a_web_address(uri: str, kept: bool) -> None:
    assert (parse_callback(f"error_uri={quote(uri)}").error_uri == uri) is kept


def test_adm_02_code_and_state_do_not_show() -> None:
    shown = repr(parse_callback("code=SECRET1&state=SECRET2&realmId=9130", captures=["realmId"]))
    assert "SECRET" not in shown
    assert shown == "Callback(code=***, state=***)"


@given(st.binary(max_size=200))
def test_any_octets_are_read_without_an_error(query: bytes) -> None:
    assert isinstance(parse_callback(query, captures=["x"]), Callback)


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(query: str) -> None:
    assert isinstance(parse_callback(query, captures=["x"]), Callback)


TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60)


@given(code=TEXT, state=TEXT, realm=TEXT)
def test_what_a_browser_encodes_is_read_back(code: str, state: str, realm: str) -> None:
    callback = parse_callback(
        urlencode({"code": code, "state": state, "realmId": realm}), captures=["realmId"]
    )
    assert (callback.code, callback.state, callback.captured["realmId"]) == (code, state, realm)


@pytest.mark.parametrize(
    ("expected", "received", "promised"),
    [
        ("https://as.example", "https://as.example", True),
        ("https://as.example", "https://as.example", False),
        ("https://as.example", None, False),
        (None, "https://as.example", False),
        (None, None, False),
    ],
)
def test_rfc_9207_a_matching_or_unpromised_issuer_passes(
    expected: str | None, received: str | None, promised: bool
) -> None:
    check_issuer(expected, received, promised=promised)


@pytest.mark.parametrize(
    ("received", "promised"),
    [
        ("https://evil.example", True),
        ("https://evil.example", False),
        ("https://as.example/", True),
        ("HTTPS://AS.EXAMPLE", True),
        ("", True),
        (None, True),
    ],
)
def test_rfc_9207_another_or_a_missing_issuer_is_refused(received: str | None, promised: bool) -> None:
    with pytest.raises(IssuerMismatch):
        check_issuer("https://as.example", received, promised=promised)
