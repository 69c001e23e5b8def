"""Masking: provider text without secrets."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.oauth.masking import display_text, is_secret_name, mask_secrets


@pytest.mark.parametrize(
    "body",
    [
        "error=invalid_grant&refresh_token=SECRET1",
        '{"error":{"access_token":"SECRET2"}}',
        "client_secret=SECRET3&x=1",
        '<html><form><input type="hidden" name="code" value="SECRET4"></form></html>',
        '<input value="SECRET4" type=hidden id=x name="code">',
        "<input name='code' value='SECRET4'>",
        "<input name=code value=SECRET4>",
        '<input name="code" title="a > b" value="SECRET4"',
    ],
)
def test_adm_01_no_secret_of_a_token_endpoint_body_survives(body: str) -> None:
    assert "SECRET" not in mask_secrets(body)


@pytest.mark.parametrize(
    "text",
    [
        '{"access_token": "SECRET", "x": 1',
        '{"access_token":"SECR\\"SECRET',
        '{"token": {"deep": {"deeper": 1}, "other": "SECRET"}',
        '{"token": {"deep": {"deeper": 1}, "other": "SECRET"}}',
        '{"tokens": ["a", "SECRET"]}',
        '{"accessToken":"SECRET"}',
        '{"message":"{\\"access_token\\":\\"SECRET\\"}"}',
        'log: {\\"access_token\\":\\"a\\\\\\"SECRET\\",\\"x\\":1}',
        '{"message":"bad request: code=SECRET&state=SECRET"}',
        '[{"name":"client_secret","value":"SECRET"}]',
        "{'refresh_token': 'SECRET', 'x': None}",
        "Authorization: Bearer SECRET",
        "authorization: Basic SECRET==",
        "sent with Bearer SECRET9",
        "X-Api-Key: SECRET",
        "api_key = SECRET",
        "hapikey=SECRET",
        "https://a.example/cb?code=SECRET&state=SECRET#id_token=SECRET",
        "next=https%3A%2F%2Fa.example%2Fcb%3Fcode%3DSECRET%26state%3DSECRET",
        "code%253DSECRET",
        "%7B%22access_token%22%3A%22SECRET%22%7D",
        "&quot;access_token&quot;:&quot;SECRET&quot;",
        "&#34;access_token&#34;: &#34;SECRET&#34;",
        "client_secret=S,E;C)R}SECRET&x=1",
        "password: SECRET",
        "client_assertion=SECRET",
        "code_verifier=SECRET",
        "oauth_token_secret=SECRET",
        "refresh_token => SECRET",
        "a\\u0026code=SECRET",
        "first\\ncode=SECRET",
        "PASSWORD=SECRET",
        "x" * 100 + "_token=SECRET",
        "<access_token>SECRET</access_token>",
        "<ns:refresh_token>SECRET</ns:refresh_token>",
        "<table><td>Access token</td><td class=x>SECRET</td></table>",
        "<p>Your code: <b>SECRET</b></p>",
        "<script>var t = 'SECRET'</script>",
        "<script>var t = 'SECRET'",
        "<!-- SECRET -->",
        "<!-- SECRET",
        '<meta content="SECRET">',
        '<a href="https://a.example/?x=SECRET">retry</a>',
        "<textarea>SECRET</textarea>",
        '<div data-x="SECRET',
    ],
)
def test_adm_01_a_value_with_a_telling_name_or_place_is_hidden(text: str) -> None:
    assert "SECRET" not in mask_secrets(text)


@pytest.mark.parametrize(
    "secret",
    [
        "CIrToaiiMhIHAAEAQAAAARiO1ooBIOP0sgEokuLtAzIUEs8e",
        "7fff1e36-2d40-4ae1-bbb1-5266d59564fb",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    ],
)
def test_what_looks_random_is_hidden_without_a_name(secret: str) -> None:
    assert secret not in mask_secrets(f"cannot use {secret} here")


@pytest.mark.parametrize(
    "text",
    [
        "<h1>Not here</h1>",
        "refresh token is invalid, expired or revoked",
        "missing or unknown auth code",
        "AADSTS700082: The refresh token has expired due to inactivity.",
        "see https://developers.hubspot.com/docs/api/oauth-quickstart for more",
        '{"error": "invalid_grant", "error_code": "12"}',
        "The requested scope crm.objects.contacts.read is not granted",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert mask_secrets(text) == text


def double_quote(secret: str) -> str:
    return quote(quote(secret, safe=""), safe="")


def basic(secret: str) -> str:
    return base64.b64encode(f"my-client:{secret}".encode()).decode()


def lower_percent(secret: str) -> str:
    return "".join(f"%{octet:02x}" for octet in secret.encode())


ENCODINGS: list[Callable[[str], str]] = [
    str,
    quote,
    lambda secret: quote(secret, safe=""),
    quote_plus,
    double_quote,
    lower_percent,
    html.escape,
    lambda secret: "".join(f"&#{ord(character)};" for character in secret),
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    lambda secret: secret.replace("/", "\\/"),
    lambda secret: base64.b64encode(secret.encode()).decode(),
    lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    basic,
    lambda secret: base64.b64encode(f"{secret}:x".encode()).decode(),
    lambda secret: quote(basic(secret), safe=""),
]


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize(
    "secret", ["s+e=c:r%t", "na1-aaaa-bbbb", "p w'd\"<&>\\é", "4/0AbC+d==", "x" * 300 + "/y"]
)
def test_a_known_secret_is_hidden_in_every_encoding(secret: str, encode: Callable[[str], str]) -> None:
    sent = encode(secret)
    assert sent not in mask_secrets(f"the value {sent}, was wrong", known=[secret])


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), max_size=60)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=5, max_size=60).filter(
    lambda secret: secret.strip("*") == secret and "***" not in secret
)


@given(before=PRINTABLE, secret=SECRETS, after=PRINTABLE, encode=st.sampled_from(ENCODINGS))
def test_masking_never_lets_a_planted_secret_through(
    before: str, secret: str, after: str, encode: Callable[[str], str]
) -> None:
    masked = mask_secrets(f"{before} {encode(secret)} {after}", known=[secret], max_length=10_000)
    planted = encode(secret)
    assert planted not in masked or planted in f"{before} {after}"
    assert secret not in masked


@given(name=st.sampled_from(["access_token", "code", "client_secret", "state"]), secret=SECRETS)
def test_masking_hides_an_unknown_secret_by_its_name(name: str, secret: str) -> None:
    secret = f"Q{secret}Z"
    for text in (
        f"a=1&{name}={quote_plus(secret)}&b=2",
        json.dumps({"a": 1, name: secret}),
        json.dumps({"message": json.dumps({name: secret})}),
        json.dumps({"a": 1, name: secret})[:-1],
        f'<input name="{name}" value="{html.escape(secret)}">',
    ):
        masked = mask_secrets(text)
        assert secret not in masked
        assert quote_plus(secret) not in masked
        assert html.escape(secret) not in masked


@given(st.text(max_size=300))
def test_masking_takes_any_text(text: str) -> None:
    assert len(mask_secrets(text, known=[text[:20]], max_length=50)) <= 50


def test_a_short_known_secret_is_hidden_as_a_word_only() -> None:
    assert mask_secrets("cold c, code", known=["c"]) == "cold ***, code"


@pytest.mark.parametrize("text_of", [str, quote, html.escape, lambda secret: secret[:160] + "…"])
def test_a_known_secret_that_is_the_whole_text_is_hidden(text_of: Callable[[str], str]) -> None:
    for length in (1, 3, 4, 36, 159, 160, 161, 400):
        secret = ("abcd" * 100)[:length]
        shown = mask_secrets(text_of(secret), known=[secret])
        assert secret[:160] not in shown.replace("…", ""), length


def test_an_empty_known_secret_hides_nothing() -> None:
    assert mask_secrets("all fine", known=["", "  "]) == "all fine"


def test_long_text_is_capped_after_masking() -> None:
    masked = mask_secrets("ab " * 40 + "SECRET-SECRET", known=["SECRET-SECRET"], max_length=123)
    assert len(masked) <= 123
    assert "SECR" not in masked


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a-",
        "<a ",
        '"',
        'token="',
        "token:[",
        "\\",
        "token=\\",
        "&quot;",
        "<script",
        "<!--",
        "token ",
        "code<td>",
        "1_",
        "eyJaaaaaa.",
        "basic ",
        "%25",
        "token%25",
        "&#000000",
        "tokentoken",
        "\\u00",
        " ",
        "AAAA",
        "{",
        "[[{",
    ],
)
def test_hostile_text_is_masked_in_good_time(piece: str) -> None:
    started = time.process_time()
    mask_secrets(piece * (200_000 // len(piece)), known=["s3cr3t/+=" * 5])
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "name", ["access_token", "code", "state", "ClientSecret", "x-api-key", "id_token", "passwd"]
)
def test_secret_names_are_known_in_every_spelling(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["hub_id", "realm", "error_code", "status", "errorCode", "scope", "expires_in"]
)
def test_other_names_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


def test_cal_15_display_text_is_one_capped_line() -> None:
    hostile = "<script>alert(1)</script>\r\nX:1\x00\u202e\ud800" + "a" * 600
    shown = display_text(hostile)
    assert shown.startswith("<script>alert(1)</script> X:1 a")
    assert len(shown) == 500
    assert shown.isprintable()
