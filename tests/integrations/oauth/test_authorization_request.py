"""Building the authorization URL."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.oauth.authorization_request import build_authorization_url, merge_scopes
from integrations.oauth.errors import UnsendableRequest


def url(endpoint: str = "https://login.example/authorize", **changes: Any) -> str:
    settings: dict[str, Any] = {
        "client_id": "s6BhdRkqt3",
        "redirect_uri": "https://client.example.com/cb",
        "scopes": ["a", "b"],
        "state": "xyz",
    }
    return build_authorization_url(endpoint, **(settings | changes))


def query(address: str) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(address).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a name came twice"
    return dict(pairs)


def test_the_example_of_rfc_6749_section_4_1_1() -> None:
    assert url("https://server.example.com/authorize", scopes=[]) == (
        "https://server.example.com/authorize?response_type=code&client_id=s6BhdRkqt3"
        "&redirect_uri=https%3A%2F%2Fclient.example.com%2Fcb&state=xyz"
    )


def test_con_02_a_query_of_the_endpoint_is_merged() -> None:
    address = url("https://login.example/authorize?prompt=select_account")
    assert address.count("?") == 1
    assert "#" not in address
    assert query(address) == {
        "prompt": "select_account",
        "response_type": "code",
        "client_id": "s6BhdRkqt3",
        "redirect_uri": "https://client.example.com/cb",
        "scope": "a b",
        "state": "xyz",
    }


@pytest.mark.parametrize(
    "own", ["client_id=evil", "state=fixed", "response_type=token", "redirect_uri=https://evil.example"]
)
def test_con_02_the_endpoints_query_replaces_no_standard_parameter(own: str) -> None:
    assert query(url(f"https://login.example/authorize?{own}")) == query(url())


def test_con_02_a_fragment_of_the_endpoint_is_dropped() -> None:
    assert "#" not in url("https://login.example/authorize#top")


@pytest.mark.parametrize(("separator", "on_the_wire"), [(" ", "scope=a%20b"), (",", "scope=a%2Cb")])
def test_con_04_the_provider_sets_the_scope_separator(separator: str, on_the_wire: str) -> None:
    assert on_the_wire in urlsplit(url(scope_separator=separator)).query.split("&")


def test_con_05_hubspot_keeps_optional_scopes_apart() -> None:
    address = url(
        "https://app.hubspot.com/oauth/authorize",
        scopes=merge_scopes(["crm.objects.contacts.read"], ["oauth"]),
        optional_scopes=["marketing.campaigns.read"],
        optional_scope_parameter="optional_scope",
    )
    assert query(address)["scope"] == "crm.objects.contacts.read oauth"
    assert query(address)["optional_scope"] == "marketing.campaigns.read"


def test_con_05_a_scope_that_is_required_is_not_asked_for_as_optional_too() -> None:
    address = url(scopes=["a"], optional_scopes=["a"], optional_scope_parameter="optional_scope")
    assert "optional_scope" not in query(address)


def test_optional_scopes_join_the_others_where_the_provider_knows_no_difference() -> None:
    assert query(url(scopes=["a"], optional_scopes=["b", "a"]))["scope"] == "a b"


def test_con_11_extra_parameters_appear_only_where_given() -> None:
    google = query(url(extra_params={"access_type": "offline", "prompt": "consent"}))
    assert (google["access_type"], google["prompt"]) == ("offline", "consent")
    assert not {"access_type", "prompt"} & query(url()).keys()


def test_extra_parameters_replace_no_standard_parameter() -> None:
    assert query(url(extra_params={"state": "known", "client_id": "other"})) == query(url())


def test_pkce_adds_the_challenge_and_its_method() -> None:
    asked = query(url(code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"))
    assert asked["code_challenge"] == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert asked["code_challenge_method"] == "S256"
    assert "code_challenge_method" not in query(url())


def test_scope_is_left_out_where_the_provider_does_not_take_it() -> None:
    assert "scope" not in query(url(sends_scope=False))
    assert "scope" not in query(url(scopes=[]))


def test_parameters_travel_under_the_providers_own_names() -> None:
    asked = query(url(parameter_names={"client_id": "client_key", "response_type": ""}))
    assert asked["client_key"] == "s6BhdRkqt3"
    assert not {"client_id", "response_type"} & asked.keys()


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state"])
def test_an_empty_value_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsendableRequest, match=name):
        url(**{name: ""})


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "login.example/authorize",
        "javascript:alert(1)",
        "https://",
        "https://a b/",
        "https://a.example/\nx",
        "https://[::1/authorize",
        "ftp://login.example/",
    ],
)
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(UnsendableRequest, match="authorization_endpoint"):
        url(endpoint)


def test_text_that_is_not_unicode_is_refused_without_showing_it() -> None:
    with pytest.raises(UnsendableRequest) as refused:
        url(state="abc\ud800")
    assert "abc" not in str(refused.value)
    assert refused.value.__context__ is None


def test_merged_scopes_are_ordered_and_unique() -> None:
    assert merge_scopes(["b", " a ", "b", ""], ["oauth", "a"]) == ["b", "a", "oauth"]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(state=TEXT, client_id=TEXT, extra=TEXT, scopes=st.lists(TEXT, max_size=4))
def test_what_is_put_in_comes_out_of_the_url(
    state: str, client_id: str, extra: str, scopes: list[str]
) -> None:
    address = url(state=state, client_id=client_id, extra_params={"x_extra": extra}, scopes=scopes)
    assert address.isascii()
    assert "+" not in address
    assert " " not in address
    pairs = dict(pair.split("=") for pair in urlsplit(address).query.split("&"))
    assert unquote(pairs["state"]) == state
    assert unquote(pairs["client_id"]) == client_id
    assert unquote(pairs["x_extra"]) == extra
    assert unquote(pairs.get("scope", "")) == " ".join(merge_scopes(scopes, ()))
