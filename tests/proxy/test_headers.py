"""Header fields that stay on one side of the proxy."""

from __future__ import annotations

import pytest

from accounts.api.problems import Problem
from integrations import catalogue
from proxy.credentials import ONLY_AUTHORIZATION, Places
from proxy.headers import reply_fields, sort_request

HUBSPOT = Places.of(catalogue.get("hubspot").api)
SHOPIFY = Places.of(catalogue.get("shopify").api)


@pytest.mark.parametrize(
    "name",
    [
        "connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "content-length", "expect", "authorization", "cookie", "cookie2",
        "forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-anything", "cf-ray",
        "cf-connecting-ip", "true-client-ip", "patchbay-host", "patchbay-retries", "patchbay-anything",
        "x-original-url", "x-rewrite-url",
    ],
)  # fmt: skip
def test_prx_03_12_13_fields_of_this_side_do_not_go_on(name: str) -> None:
    assert sort_request([(name.encode(), b"1")], HUBSPOT).kept == []


@pytest.mark.parametrize(
    "name",
    ["x_original_url", "x_forwarded-for", "patchbay_host", "proxy_authorization", "x_shopify_access_token"],
)
def test_a_field_that_cgi_would_take_for_one_held_back_does_not_go_on(name: str) -> None:
    assert sort_request([(name.encode(), b"1"), (b"my_field", b"2")], SHOPIFY).kept == [(b"my_field", b"2")]


def test_everything_else_goes_on_in_order_and_repeated() -> None:
    fields = [
        (b"x-a", b"1"), (b"accept-encoding", b"br, gzip"), (b"x-b", b""), (b"x-a", b"2"),
        (b"user-agent", b"sdk/1"), (b"content-type", b"text/plain"), (b"idempotency-key", b"k"),
        (b"traceparent", b"00-1"), (b"x-api-key", b"K"), (b"range", b"bytes=0-1"),
    ]  # fmt: skip
    assert sort_request(fields, HUBSPOT).kept == fields


def test_prx_03_fields_that_connection_nominates_do_not_go_on() -> None:
    fields = [
        (b"x-secret-hop", b"1"),
        (b"connection", b"keep-alive, X-Secret-Hop"),
        (b"x-other", b"2"),
        (b"connection", b"X-More"),
        (b"x-more", b"3"),
    ]
    assert sort_request(fields, HUBSPOT).kept == [(b"x-other", b"2")]


def test_the_places_of_the_providers_credential_are_removed_though_another_place_was_used() -> None:
    fields = [(b"x-shopify-access-token", b"key"), (b"authorization", b"Bearer other"), (b"x-a", b"1")]
    found = sort_request(fields, SHOPIFY)
    assert found.kept == [(b"x-a", b"1")]
    assert found.presented is not None
    assert found.presented.value == "Bearer other"


def test_prx_25_a_value_that_is_not_ascii_is_refused_by_name_once_the_caller_is_known() -> None:
    found = sort_request([(b"x-note", "日本".encode()), (b"x-a", b"1")], ONLY_AUTHORIZATION)
    with pytest.raises(Problem) as caught:
        found.require_sendable()
    assert (caught.value.code, caught.value.members) == ("invalid_request", {"field": "X-Note"})


def test_framing_is_read_and_not_passed_on() -> None:
    found = sort_request([(b"content-length", b"12")], HUBSPOT)
    assert (found.has_content, found.content_length, found.is_chunked) == (True, 12, False)
    found = sort_request([(b"transfer-encoding", b"chunked")], HUBSPOT)
    assert (found.has_content, found.content_length, found.is_chunked) == (True, None, True)
    assert not sort_request([], HUBSPOT).has_content


OURS = [
    (b"via", b"1.1 patchbay"),
    (b"proxy-status", b"patchbay; received-status=200"),
    (b"patchbay-request-id", b"r1"),
]


def test_prx_03_a_replys_hop_by_hop_fields_do_not_come_back() -> None:
    raw = [
        (b"Connection", b"X-Up"),
        (b"X-Up", b"1"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Proxy-Authenticate", b"Basic"),
        (b"Trailer", b"X"),
        (b"Upgrade", b"h2c"),
        (b"X-Keep", b"1"),
    ]
    assert reply_fields(raw, status=200, request_id="r1") == [(b"x-keep", b"1"), *OURS]


def test_prx_16_repeats_stay_apart_and_cookies_stay_there() -> None:
    raw = [
        (b"Set-Cookie", b"a=1"),
        (b"Link", b"<a>"),
        (b"Set-Cookie", b"b=2"),
        (b"Link", b"<b>"),
        (b"WWW-Authenticate", b"Basic"),
        (b"WWW-Authenticate", b"Bearer"),
    ]
    assert reply_fields(raw, status=200, request_id="r1")[:-3] == [
        (b"link", b"<a>"),
        (b"link", b"<b>"),
        (b"www-authenticate", b"Basic"),
        (b"www-authenticate", b"Bearer"),
    ]


def test_prx_25_a_replys_bytes_are_kept() -> None:
    for value in ("é.pdf".encode(), "é.pdf".encode("latin-1")):
        assert reply_fields([(b"X", value)], status=200, request_id="r1")[0] == (b"x", value)


def test_a_length_is_kept_where_content_follows_or_head_asked() -> None:
    raw = [(b"Content-Length", b"12")]
    assert (b"content-length", b"12") in reply_fields(raw, status=200, request_id="r1")
    assert (b"content-length", b"12") in reply_fields(raw, status=304, request_id="r1", is_head=True)
    assert (b"content-length", b"12") not in reply_fields(raw, status=204, request_id="r1")


def test_the_providers_own_via_and_proxy_status_come_first() -> None:
    raw = [(b"Via", b"1.1 varnish"), (b"Proxy-Status", b"cdn; error=dns_timeout")]
    fields = reply_fields(raw, status=200, request_id="r1")
    assert fields == [(b"via", b"1.1 varnish"), (b"proxy-status", b"cdn; error=dns_timeout"), *OURS]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ([(b"patchbay-host", b"a"), (b"patchbay-host", b"b")], "Patchbay-Host"),
        (
            [(b"patchbay-connection", b"a"), (b"x-a", b"1"), (b"patchbay-connection", b"a")],
            "Patchbay-Connection",
        ),
        ([(b"transfer-encoding", b"gzip, chunked")], "Transfer-Encoding"),
    ],
)
def test_prx_34_what_could_be_read_in_two_ways_is_refused_by_name(
    fields: list[tuple[bytes, bytes]], name: str
) -> None:
    with pytest.raises(Problem) as caught:
        sort_request(fields, HUBSPOT).require_sendable()
    assert (caught.value.code, caught.value.members) == ("invalid_request", {"field": name})


def test_prx_12_a_token_that_the_provider_repeats_does_not_come_back() -> None:
    token = b"CAccessToken-of-a-test"
    location = b"https://api.example/x?a=1&api_token=" + token
    fields = [(b"Location", location), (b"X-Echo", b"Bearer " + token), (b"X-A", b"1")]
    found = reply_fields(fields, status=302, request_id="r", token=token)
    assert found[:3] == [
        (b"location", b"https://api.example/x?a=1&api_token=[removed]"),
        (b"x-echo", b"Bearer [removed]"),
        (b"x-a", b"1"),
    ]
