"""OAuth 1.0a against RFC 5849's own example and oauthlib's verifier, and the answers of the token endpoints."""

from __future__ import annotations

import re
from unittest import mock
from urllib.parse import unquote

import pytest

from integrations.oauth.errors import TokenEndpointError, UnreadableTokenResponse
from integrations.oauth.oauth1 import Signer, TokenPair, read_token_answer

SIGNER = Signer("dpf43f3p2l4k3l03", "kd94hf93k423kf44")
PAIR = TokenPair("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00")


def fields(value: str) -> dict[str, str]:
    return {name: unquote(text) for name, text in re.findall(r'(\w+)="([^"]*)"', value)}


def test_a_request_is_signed_as_in_the_example_of_the_standard() -> None:
    """RFC 5849 section 1.2, whose parameters hold no oauth_version."""
    with (
        mock.patch("oauthlib.oauth1.rfc5849.generate_nonce", return_value="chapoH"),
        mock.patch("oauthlib.oauth1.rfc5849.generate_timestamp", return_value="137131202"),
        mock.patch("oauthlib.oauth1.rfc5849.Client.get_oauth_params", _without_version),
    ):
        value = SIGNER.authorization(
            "GET", "http://photos.example.net/photos?file=vacation.jpg&size=original", pair=PAIR
        )
    assert fields(value)["oauth_signature"] == "MdpQcU8iPSUjWoN/UDMsK2sui9I="


def _without_version(self: object, request: object) -> list[tuple[str, str]]:
    return [
        ("oauth_consumer_key", SIGNER.client_key),
        ("oauth_token", PAIR.token),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131202"),
        ("oauth_nonce", "chapoH"),
    ]


def test_each_signature_has_a_nonce_of_its_own() -> None:
    values = [fields(SIGNER.authorization("GET", "https://a.example/x", pair=PAIR)) for _ in range(3)]
    assert len({value["oauth_nonce"] for value in values}) == 3


def test_a_query_that_oauthlib_would_refuse_is_signed_as_servers_read_it() -> None:
    with (
        mock.patch("oauthlib.oauth1.rfc5849.generate_nonce", return_value="n"),
        mock.patch("oauthlib.oauth1.rfc5849.generate_timestamp", return_value="1"),
    ):
        raw = SIGNER.authorization("GET", 'https://a.example/x?filter[a]="b"&c=d+e', pair=PAIR)
        encoded = SIGNER.authorization("GET", "https://a.example/x?filter%5Ba%5D=%22b%22&c=d%20e", pair=PAIR)
    assert raw == encoded


def test_the_content_of_a_form_is_signed_and_that_of_a_get_is_not() -> None:
    with (
        mock.patch("oauthlib.oauth1.rfc5849.generate_nonce", return_value="n"),
        mock.patch("oauthlib.oauth1.rfc5849.generate_timestamp", return_value="1"),
    ):
        signed = {
            (method, form): fields(SIGNER.authorization(method, "https://a.example/x", form=form))[
                "oauth_signature"
            ]
            for method in ("GET", "POST")
            for form in (None, "a=1", "a=2")
        }
    assert len({signed["POST", form] for form in (None, "a=1", "a=2")}) == 3
    assert len({signed["GET", form] for form in (None, "a=1", "a=2")}) == 1


def test_a_pair_is_kept_in_one_text_and_shown_in_none() -> None:
    pair = TokenPair("a/b c", "d&e=f")
    assert TokenPair.of(pair.stored()) == pair
    assert "a/b" not in f"{pair!r}" and "kd94" not in f"{SIGNER!r}"
    assert TokenPair.of("bare-token") == TokenPair("bare-token", "")


def test_an_answer_is_read_with_what_comes_beside_the_token() -> None:
    pair = read_token_answer(200, b"oauth_token=t&oauth_token_secret=s&user_id=7")
    assert (pair.token, pair.secret, dict(pair.members)) == ("t", "s", {"user_id": "7"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"oauth_token=t",
        b"oauth_token=&oauth_token_secret=s",
        b"<html>hello</html>",
        b"\xff\xfe",
        b"oauth_token=t%0A&oauth_token_secret=s",
    ],
)
def test_an_answer_without_a_usable_token_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableTokenResponse):
        read_token_answer(200, body)


@pytest.mark.parametrize("confirmed", [b"", b"&oauth_callback_confirmed=false"])
def test_a_callback_that_is_not_confirmed_ends_the_grant(confirmed: bytes) -> None:
    """RFC 5849 section 2.1: without it this would be the first edition, which lets an attacker fix the session."""
    with pytest.raises(UnreadableTokenResponse):
        read_token_answer(200, b"oauth_token=t&oauth_token_secret=s" + confirmed, needs_confirmation=True)


def test_a_refusal_tells_the_providers_word_and_no_more() -> None:
    with pytest.raises(TokenEndpointError) as refused:
        read_token_answer(401, b"oauth_problem=consumer_key_unknown&oauth_token_secret=hidden")
    assert refused.value.error == "consumer_key_unknown"
    assert "hidden" not in str(refused.value)
