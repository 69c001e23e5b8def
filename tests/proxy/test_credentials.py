"""Where the partner's key may stand, and where the customer's token goes."""

from __future__ import annotations

import base64

import pytest

from integrations import catalogue
from integrations.catalogue import Api, CallerCredential, CredentialPlacement
from integrations.tokens import AccessToken
from proxy.credentials import (
    Places,
    Presented,
    credential_field,
    from_authorization,
    from_place,
    take_from_query,
    with_credential,
    written,
)
from proxy.headers import sort_request
from sealing import Secret

TOKEN = AccessToken(Secret("tok/en+1"), "bearer", 1, None, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Bearer pbk_1", "Bearer pbk_1"),
        (b"bearer   pbk_1 ", "Bearer pbk_1"),
        (b"token pbk_1", "Bearer pbk_1"),
        (b"BASIC abc=", "Basic abc="),
    ],
)
def test_authorization_is_read_in_the_schemes_of_ours(value: bytes, expected: str) -> None:
    assert from_authorization(value) == Presented("authorization", expected)


@pytest.mark.parametrize("value", [b"Digest x", b"", b"AWS4-HMAC-SHA256 x", b"pbk_1"])
def test_another_scheme_is_no_credential_of_ours(value: bytes) -> None:
    assert from_authorization(value) is None


def test_a_headers_place_is_read_with_its_scheme() -> None:
    assert from_place(b" pbk_1 ", None) == Presented("key", "pbk_1")
    assert from_place(b"Klaviyo-API-Key pbk_1", "Klaviyo-API-Key") == Presented("key", "pbk_1")
    assert from_place(b"Other pbk_1", "Klaviyo-API-Key") is None
    assert from_place(b"", None) is None


@pytest.mark.parametrize(
    ("raw_query", "left", "key"),
    [
        ("hapikey=K", "", "K"),
        ("a=1&hapikey=K&b=%2F", "a=1&b=%2F", "K"),
        ("a=1&a=2&&empty=&flag&x=a+b", "a=1&a=2&&empty=&flag&x=a+b", None),
        ("%68apikey=K%2B1", "", "K+1"),
        ("hapikey=&hapikey=K2&hapikey=K3", "", "K2"),
        ("xhapikey=K&hapikeyx=K", "xhapikey=K&hapikeyx=K", None),
        ("hapikey", "", None),
    ],
)
def test_a_querys_place_is_the_one_edit_of_the_query(raw_query: str, left: str, key: str | None) -> None:
    taken, presented = take_from_query(raw_query, {"hapikey"})
    assert taken == left
    assert presented == (None if key is None else Presented("key", key))


def test_a_key_in_the_providers_own_header_is_presented() -> None:
    places = Places.of(catalogue.get("shopify").api)
    found = sort_request([(b"x-shopify-access-token", b"pbk_1")], places)
    assert found.presented == Presented("key", "pbk_1")
    assert found.kept == []


def test_authorization_goes_before_another_place_whatever_the_order() -> None:
    places = Places.of(catalogue.get("shopify").api)
    both = [(b"x-shopify-access-token", b"pbk_2"), (b"authorization", b"Bearer pbk_1")]
    for fields in (both, both[::-1]):
        assert sort_request(fields, places).presented == Presented("authorization", "Bearer pbk_1")


@pytest.mark.parametrize(
    ("placement", "field"),
    [
        (CredentialPlacement(), (b"authorization", b"Bearer tok/en+1")),
        (CredentialPlacement(kind="header", name="X-Token"), (b"x-token", b"tok/en+1")),
        (
            CredentialPlacement(kind="header", name="Authorization", prefix="Zoho-oauthtoken "),
            (b"authorization", b"Zoho-oauthtoken tok/en+1"),
        ),
        (
            CredentialPlacement(kind="basic"),
            (b"authorization", b"Basic " + base64.b64encode(b"tok/en+1:")),
        ),
        (
            CredentialPlacement(kind="basic", suffix=""),
            (b"authorization", b"Basic " + base64.b64encode(b"tok/en+1")),
        ),
        (
            CredentialPlacement(kind="basic", prefix="api:", suffix=""),
            (b"authorization", b"Basic " + base64.b64encode(b"api:tok/en+1")),
        ),
        (CredentialPlacement(kind="query", name="access_token"), None),
    ],
)
def test_the_customers_token_goes_where_the_provider_takes_it(
    placement: CredentialPlacement, field: tuple[bytes, bytes] | None
) -> None:
    assert credential_field(placement, TOKEN) == field


def test_a_token_in_the_query_comes_last_and_encoded() -> None:
    placement = CredentialPlacement(kind="query", name="access_token")
    assert with_credential("a=1", placement, TOKEN) == "a=1&access_token=tok%2Fen%2B1"
    assert with_credential(None, placement, TOKEN) == "access_token=tok%2Fen%2B1"
    assert with_credential("a=1", CredentialPlacement(), TOKEN) == "a=1"


@pytest.mark.parametrize(
    ("placement", "secret", "sought"),
    [
        (CredentialPlacement(), "tok/en+1", b"tok/en+1"),
        (CredentialPlacement(kind="query", name="key"), "tok/en+1", b"tok%2Fen%2B1"),
        (CredentialPlacement(kind="basic", suffix=""), "user:pass", base64.b64encode(b"user:pass")),
        (CredentialPlacement(kind="oauth1"), "oauth_token=to%2Fken&oauth_token_secret=s", b"to/ken"),
    ],
    ids=["bearer", "query", "basic", "oauth1"],
)
def test_what_is_sought_in_replies_is_the_token_as_it_was_sent(
    placement: CredentialPlacement, secret: str, sought: bytes
) -> None:
    assert written(placement, AccessToken(Secret(secret), "", 1, None, None)) == sought


def test_a_callers_field_of_the_credentials_place_never_goes_on() -> None:
    api = Api(
        base_url="https://a.example",
        hosts=("a.example",),
        credential=CredentialPlacement(kind="header", name="X-Api-Key"),
        caller_credentials=(CallerCredential(kind="header", name="Authorization", scheme="Bearer"),),
    )
    assert sort_request([(b"x-api-key", b"K")], Places.of(api)).kept == []


def test_what_is_presented_shows_no_secret() -> None:
    presented = Presented("key", "pbk_secret")
    assert "pbk_secret" not in f"{presented!r}"
    assert presented.digest != Presented("authorization", "pbk_secret").digest
