"""No value can lead a request to another host (RFC 3986 section 3.2)."""

from __future__ import annotations

import pytest

from integrations.catalogue import InvalidConnectionField, MissingValue, placeholders, render, render_host

TEMPLATE = "https://{sub}.shop.example/oauth"

REFUSED = {
    "fragment": "evil.example/#",
    "port and query": "evil.example:443/x?",
    "user information": "a@evil.example",
    "two labels": "a.b",
    "dot": ".",
    "leading dot": ".evil",
    "space": "my shop",
    "space before": " shop",
    "tab": "shop\t",
    "line break": "shop\r\nHost: evil.example",
    "trailing line break": "shop\n",
    "NUL": "shop\x00",
    "quoted id": '"my-shop"',
    "apostrophes": "'my-shop'",
    "percent-encoded dot": "evil%2eexample",
    "percent-encoded slash": "evil.example%2F",
    "backslash": "evil.example\\",
    "colon": "shop:pw",
    "brackets": "[::1]",
    "braces": "{sub}",
    "underscore": "my_shop",
    "hyphen first": "-shop",
    "hyphen last": "shop-",
    "64 characters": "a" * 64,
    "unicode letters": "bücher",
    "full-width letters": "ｓｈｏｐ",
    "ideographic full stop": "evil。example",
    "Kelvin sign": "\u212aelvin",
    "dotless i that lower() makes two": "\u0130stanbul",
    "IDNA label": "xn--bcher-kva",
    "IDNA label in upper case": "XN--BCHER-KVA",
    "soft hyphen": "sh\u00adop",
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
def test_con_19_a_value_that_is_not_one_dns_label_is_refused(value: str) -> None:
    with pytest.raises(InvalidConnectionField) as caught:
        render(TEMPLATE, {"sub": value})
    assert caught.value.field == "sub"
    assert value not in str(caught.value)


def test_con_19_an_empty_value_is_a_missing_value() -> None:
    with pytest.raises(MissingValue) as caught:
        render(TEMPLATE, {"sub": ""})
    assert caught.value.field == "sub"


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("my-shop-1", "my-shop-1.shop.example"),
        ("1", "1.shop.example"),
        ("a" * 63, "a" * 63 + ".shop.example"),
        ("My-Shop", "my-shop.shop.example"),
        ("a--b", "a--b.shop.example"),
    ],
)
def test_con_19_one_dns_label_is_accepted_in_lower_case(value: str, host: str) -> None:
    assert render(TEMPLATE, {"sub": value}) == f"https://{host}/oauth"


@pytest.mark.parametrize(
    "value",
    [
        "evil.example",
        "api.acme.example.evil.example",
        "acme.example",
        "evilacme.example",
        "a@x.acme.example",
        "x..acme.example",
        ".acme.example",
        "-.acme.example",
        "x.acme.example:8443",
        "x.acme.example/",
        "x.acme.example.",
    ],
)
def test_con_19_a_whole_host_must_end_with_its_suffix(value: str) -> None:
    with pytest.raises(InvalidConnectionField):
        render("https://{host}/v1", {"host": value}, whole_hosts={"host": (".acme.example",)})


@pytest.mark.parametrize("value", ["eu.acme.example", "a.b.acme.example", "EU.Acme.Example"])
def test_a_whole_host_below_its_suffix_is_accepted(value: str) -> None:
    rendered = render("https://{host}/v1", {"host": value}, whole_hosts={"host": (".acme.example",)})
    assert rendered == f"https://{value.lower()}/v1"


def test_a_suffix_without_a_dot_in_front_is_one_host() -> None:
    assert render_host("{host}", {"host": "app.acme.example"}, whole_hosts={"host": ("app.acme.example",)})
    with pytest.raises(InvalidConnectionField):
        render_host("{host}", {"host": "x.app.acme.example"}, whole_hosts={"host": ("app.acme.example",)})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("12", "/c/12/i?x=12"),
        ("a/b", "/c/a%2Fb/i?x=a%2Fb"),
        ("a?b#c&d=e", "/c/a%3Fb%23c%26d%3De/i?x=a%3Fb%23c%26d%3De"),
        ("../x", "/c/..%2Fx/i?x=..%2Fx"),
        ("é", "/c/%C3%A9/i?x=%C3%A9"),
        ("//evil.example", "/c/%2F%2Fevil.example/i?x=%2F%2Fevil.example"),
    ],
)
def test_values_in_path_and_query_are_percent_encoded(value: str, path: str) -> None:
    assert render("https://api.example/c/{id}/i?x={id}", {"id": value}) == f"https://api.example{path}"


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_that_is_a_dot_segment_is_refused(value: str) -> None:
    with pytest.raises(InvalidConnectionField):
        render("https://api.example/c/{id}/i", {"id": value})


def test_a_template_that_is_no_url_is_filled_as_it_is() -> None:
    assert render("Add {redirect_uri} there", {"redirect_uri": "https://a.example/b?c"}) == (
        "Add https://a.example/b?c there"
    )


def test_a_value_is_not_read_as_a_template() -> None:
    assert render("{a}-{b}", {"a": "{b}", "b": "1"}) == "{b}-1"


def test_con_02_a_query_in_the_template_is_kept() -> None:
    url = render("https://{sub}.login.example/authorize?prompt=select_account", {"sub": "a"})
    assert url == "https://a.login.example/authorize?prompt=select_account"


def test_the_names_of_a_template_are_told() -> None:
    assert placeholders("https://{sub}.x.example/{realm_id}?a={sub}&b={}") == {"sub", "realm_id"}
