"""Requests to the token endpoint."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.oauth.errors import UnsendableRequest
from integrations.oauth.token_request import (
    ClientAuthentication,
    TokenRequest,
    authorization_code_request,
    client_credentials_request,
    refresh_token_request,
    revocation_request,
)

ENDPOINT = "https://server.example.com/token"
POST = ClientAuthentication(client_id="s6BhdRkqt3", client_secret="gX1fBat3bV", method="client_secret_post")
BASIC = ClientAuthentication(client_id="s6BhdRkqt3", client_secret="gX1fBat3bV")


def form(request: TokenRequest) -> dict[str, str]:
    pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def exchange(client: ClientAuthentication = POST, **changes: Any) -> TokenRequest:
    settings = {"code": "SplxlOBeZQQYbYS6WxSbIA", "redirect_uri": "https://client.example.com/cb"}
    return authorization_code_request(ENDPOINT, client=client, **(settings | changes))


def test_the_example_of_rfc_6749_section_4_1_3() -> None:
    request = exchange(BASIC)
    assert request.method == "POST"
    assert request.url == ENDPOINT
    assert request.headers["Authorization"] == "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert form(request) == {
        "grant_type": "authorization_code",
        "code": "SplxlOBeZQQYbYS6WxSbIA",
        "redirect_uri": "https://client.example.com/cb",
    }


def test_the_example_of_rfc_6749_section_6() -> None:
    request = refresh_token_request(ENDPOINT, refresh_token="tGzv3JOkF0XG5Qx2TlKWIA", client=BASIC)
    assert request.headers["Authorization"] == "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"
    assert form(request) == {"grant_type": "refresh_token", "refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA"}


def test_the_example_of_rfc_7009_section_2_1() -> None:
    request = revocation_request(
        "https://server.example.com/revoke",
        token="45ghiukldjahdnhzdauz",
        token_type_hint="refresh_token",
        client=BASIC,
    )
    assert request.body == b"token=45ghiukldjahdnhzdauz&token_type_hint=refresh_token"


def test_cal_08_a_code_is_encoded_once() -> None:
    request = exchange(code="4/0AbC+d==")
    assert b"code=4%2F0AbC%2Bd%3D%3D" in request.body.split(b"&")
    assert form(request)["code"] == "4/0AbC+d=="


@pytest.mark.parametrize("body_format", ["form", "json"])
@pytest.mark.parametrize("client", [POST, BASIC])
def test_tok_07_every_request_asks_for_json(client: ClientAuthentication, body_format: Any) -> None:
    for request in (
        exchange(client, body_format=body_format, extra_headers={"accept": "text/plain"}),
        refresh_token_request(ENDPOINT, refresh_token="r", client=client, body_format=body_format),
        client_credentials_request(ENDPOINT, client=client, body_format=body_format),
    ):
        assert request.headers["Accept"] == "application/json"
        assert "accept" not in request.headers


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("form", "Basic bXkrYXBwJTJGMTpzJTJCZSUzRGMlM0FyJTI1dA=="),
        ("raw", "Basic bXkgYXBwLzE6cytlPWM6ciV0"),
    ],
)
def test_tok_14_client_credentials_in_http_basic(encoding: Any, expected: str) -> None:
    client = ClientAuthentication(
        client_id="my app/1", client_secret="s+e=c:r%t", method="client_secret_basic", basic_encoding=encoding
    )
    request = refresh_token_request(ENDPOINT, refresh_token="r", client=client)
    assert request.headers["Authorization"] == expected
    assert not {"client_id", "client_secret"} & form(request).keys()


def test_tok_14_credentials_in_the_content_are_sent_once() -> None:
    request = exchange(POST)
    assert "Authorization" not in request.headers
    assert form(request)["client_id"] == "s6BhdRkqt3"
    assert form(request)["client_secret"] == "gX1fBat3bV"


def test_a_public_client_sends_its_id_only() -> None:
    request = exchange(ClientAuthentication(client_id="pub", method="none"))
    assert form(request)["client_id"] == "pub"
    assert "client_secret" not in form(request)
    assert "Authorization" not in request.headers


def test_the_verifier_goes_with_the_code() -> None:
    assert form(exchange(code_verifier="dBjft"))["code_verifier"] == "dBjft"
    assert "code_verifier" not in form(exchange())


def test_json_content_holds_the_same_parameters() -> None:
    request = exchange(body_format="json", code="é+/=")
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body) == form(exchange(code="é+/="))


def test_extra_parameters_are_added_and_replace_nothing() -> None:
    request = exchange(extra_params={"audience": "api", "code": "other", "grant_type": "password"})
    assert form(request) == form(exchange()) | {"audience": "api"}


def test_parameters_travel_under_the_providers_own_names() -> None:
    request = refresh_token_request(
        ENDPOINT,
        refresh_token="r",
        client=POST,
        parameter_names={"client_id": "client_key", "grant_type": "", "refresh_token": "fb_exchange_token"},
        extra_params={"grant_type": "fb_exchange_token"},
    )
    assert form(request) == {
        "grant_type": "fb_exchange_token",
        "fb_exchange_token": "r",
        "client_key": "s6BhdRkqt3",
        "client_secret": "gX1fBat3bV",
    }


def test_a_get_request_carries_its_parameters_in_the_query() -> None:
    request = authorization_code_request(
        f"{ENDPOINT}?v=1", code="a b", redirect_uri="https://c.example/cb", client=POST, method="GET"
    )
    assert (request.method, request.body) == ("GET", b"")
    assert "Content-Type" not in request.headers
    asked = dict(parse_qsl(urlsplit(request.url).query))
    assert (asked["v"], asked["code"], asked["grant_type"]) == ("1", "a b", "authorization_code")


def test_scopes_of_client_credentials_are_joined() -> None:
    request = client_credentials_request(ENDPOINT, client=POST, scopes=["a", "b"])
    assert form(request)["scope"] == "a b"
    assert "scope" not in form(client_credentials_request(ENDPOINT, client=POST))


def test_a_refresh_sends_a_scope_only_when_asked_to() -> None:
    assert "scope" not in form(refresh_token_request(ENDPOINT, refresh_token="r", client=POST))
    narrowed = refresh_token_request(ENDPOINT, refresh_token="r", client=POST, scope="a")
    assert form(narrowed)["scope"] == "a"


@pytest.mark.parametrize(
    "client",
    [
        ClientAuthentication(client_id="", client_secret="s"),
        ClientAuthentication(client_id="i", client_secret=""),
        ClientAuthentication(client_id="i", method="client_secret_post"),
        ClientAuthentication(client_id="i", client_secret="s", method="private_key_jwt"),
        ClientAuthentication(client_id="i", client_secret="s\ud800", method="client_secret_post"),
    ],
)
def test_incomplete_credentials_are_refused(client: ClientAuthentication) -> None:
    with pytest.raises(UnsendableRequest):
        exchange(client)


@pytest.mark.parametrize(
    "endpoint", ["/token", "https://a.example/token#x", "https://a.example/to ken", "ftp://a/"]
)
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(UnsendableRequest, match="token_endpoint"):
        refresh_token_request(endpoint, refresh_token="r", client=POST)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("client", [POST, BASIC])
def test_adm_02_no_secret_shows_in_a_representation(client: ClientAuthentication, method: Any) -> None:
    request = exchange(client, code_verifier="verifier-value", method=method)
    shown = f"{request!r} {request} {client!r} {client}"
    for secret in ("gX1fBat3bV", "SplxlOBeZQQYbYS6WxSbIA", "verifier-value", "czZCaGRSa3F0MzpnWDFmQmF0M2JW"):
        assert secret not in shown


def test_adm_02_an_error_about_broken_text_does_not_carry_it() -> None:
    with pytest.raises(UnsendableRequest) as refused:
        exchange(code="SECRET\ud800")
    assert "SECRET" not in repr(refused.value)
    assert refused.value.__context__ is None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(code=TEXT, verifier=TEXT, secret=TEXT)
def test_any_text_arrives_as_it_was(code: str, verifier: str, secret: str) -> None:
    client = ClientAuthentication(client_id="i", client_secret=secret, method="client_secret_post")
    sent = form(exchange(client, code=code, code_verifier=verifier))
    assert (sent["code"], sent["code_verifier"], sent["client_secret"]) == (code, verifier, secret)
