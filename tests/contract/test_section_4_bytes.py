"""Contract section 4: path, query, body, header fields and status pass as they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

from tests.contract.echo import passed
from tests.contract.outside import Outside, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]


@pytest.mark.parametrize(
    "rest",
    [
        "/_echo/",
        "/_echo/a%2Fb",
        "/_echo/a%2fB%20c",
        "/_echo/%C3%A9%00",
        "/_echo/a//b///c/",
        "/_echo/a+b",
        "/_echo/a;b=c",
        "/_echo/(a)*'!$&,=@:~",
        "/_echo/...",
        "/_echo/.a",
        "/_echo/a..",
        "/_echo/%25",
        "/_echo/x?b=2&a=1&b=2&&=&c",
        "/_echo/x?a=b+c%20d%2B",
        "/_echo/x?a=/../b&c=https://d.example/?e",
        "/_echo/x?a??b",
        "/_echo/x?[]={}|^`",
        "/_echo/x?a=%zz&b=%",
        "/_echo/x?" + "a" * 20_000,
    ],
)
def test_raw_path_and_query_arrive_byte_for_byte(outside: Outside, customer: str, rest: str) -> None:
    assert passed(outside, customer, rest).target == rest


def test_a_bare_trailing_question_mark_is_lost_and_nothing_else(outside: Outside, customer: str) -> None:
    assert passed(outside, customer, "/_echo/x?").target == "/_echo/x"


@pytest.mark.parametrize(
    "rest",
    [
        "/_echo/../x",
        "/_echo/./x",
        "/_echo/..",
        "/_echo/.",
        "/..",
        "/.",
        "/_echo/%2e%2e/x",
        "/_echo/%2E/x",
        "/_echo/.%2e/x",
        "/_echo/a%2F..%2Fb",
        "/_echo/..%2Fb",
        "/_echo/a%2F%2e%2e",
        "/_echo/a%5C..%5Cb",
        "/_echo/..%5C",
        "/../../_control/state",
    ],
)
def test_a_dot_segment_is_refused(outside: Outside, customer: str, rest: str) -> None:
    path = outside.through(customer, f"{rest}?mark={customer[-36:]}")
    problem(outside.raw("GET", path), 400, "invalid_request")
    assert outside.arrived(customer[-36:]) == []


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_each_method_goes_on(outside: Outside, customer: str, method: str) -> None:
    assert passed(outside, customer, method=method).method == method


def test_head_goes_on_and_keeps_the_length(outside: Outside, customer: str) -> None:
    reply = outside.raw("HEAD", outside.through(customer, f"/_bytes/1234?{customer[-36:]}"))
    assert (reply.status, reply.values("Content-Length"), reply.body) == (200, ["1234"], b"")
    (arrived,) = outside.arrived(customer[-36:])
    assert arrived["method"] == "HEAD"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "FOO"])
def test_other_methods_never_go_on(outside: Outside, customer: str, method: str) -> None:
    target = outside.through(customer, f"/_echo/x?mark={customer[-36:]}")
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    request = f"{head}Authorization: Bearer {outside.partner.api_key}\r\n\r\n"
    status = int(outside.spoken(request.encode()).split(b" ")[1])
    assert status in (400, 405, 501)
    assert outside.arrived(customer[-36:]) == []


def test_a_body_of_any_type_goes_on_as_it_is(outside: Outside, customer: str) -> None:
    for content_type in (
        "application/json",
        "text/csv; charset=latin-1",
        "multipart/form-data; boundary=x",
        "x/y",
    ):
        content = b"\x00\xff not json {" + content_type.encode()
        seen = passed(
            outside, customer, method="POST", headers=[("Content-Type", content_type)], body=content
        )
        assert seen.body == content
        assert seen.values("content-type") == [content_type]
        assert seen.values("content-length") == [str(len(content))]
    assert passed(outside, customer, method="POST", body=b"").values("content-length") == ["0"]
    assert "content-type" not in passed(outside, customer, method="POST", body=b"x").names


def test_a_chunked_body_goes_on(outside: Outside, customer: str) -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(5):
            yield b"%d" % number * 1_000

    url = outside.base + outside.through(customer, "/_sink")
    reply = requests.post(url, data=pieces(), headers=outside.partner.bearer, timeout=20)
    expected = b"".join(b"%d" % number * 1_000 for number in range(5))
    assert reply.json() == {"bytes": 5_000, "sha256": hashlib.sha256(expected).hexdigest()}


def test_header_fields_go_on_less_ours_the_hops_and_whatever_tells_of_the_partner(
    outside: Outside, customer: str
) -> None:
    stripped = [
        ("Cookie", "session=partner"),
        ("Connection", "close, X-Nominated"),
        ("X-Nominated", "1"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic x"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Real-IP", "10.0.0.1"),
        ("Patchbay-Timeout", "20"),
        ("Patchbay-Retries", "0"),
        ("Patchbay-Unknown", "x"),
    ]
    kept = [
        ("X-Repeated", "one"),
        ("X-Repeated", "two"),
        ("Accept", "text/csv"),
        ("Accept-Encoding", "gzip, br"),
        ("User-Agent", "hubspot-api-client/9"),
        ("If-None-Match", '"abc"'),
        ("Range", "bytes=0-9"),
        ("Idempotency-Key", "k-1"),
        ("Origin", "https://app.example.com"),
        ("X-Request-Id", "mine"),
    ]
    seen = passed(outside, customer, headers=[*stripped, *kept])
    sent = [(name.lower(), value) for name, value in seen.headers]
    for name, value in kept:
        assert (name.lower(), value) in sent
    repeated = [value for name, value in sent if name == "x-repeated"]
    assert repeated == ["one", "two"]
    for name, _ in stripped:
        assert name.lower() not in {known for known, _ in sent} - {"connection"}, name
    assert seen.values("host") == ["api.hubapi.com"]
    assert outside.partner.api_key not in json.dumps(seen.headers)
    assert len(seen.values("authorization")) == 1


def test_a_value_that_is_not_ascii_is_refused_by_name(outside: Outside, customer: str) -> None:
    headers = [*outside.partner.bearer.items(), ("X-Name", "Zo\xeb")]
    reply = outside.raw("GET", outside.through(customer, "/_echo/x"), headers=headers)
    problem(reply, 400, "invalid_request", field="X-Name")


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_status_fields_and_bytes_come_back_as_sent_less_the_hops_and_cookies(
    outside: Outside, customer: str
) -> None:
    fault = {
        "match": {"path": "/crm/v3/objects/contacts"},
        "times": 1,
        "status": 418,
        "headers": {
            "Content-Type": "text/odd; a=b",
            "Set-Cookie": "provider=1",
            "X-Provider": "yes",
            "Content-Security-Policy": "default-src *",
            "Keep-Alive": "timeout=9",
            "Cache-Control": "max-age=7",
            "Proxy-Authenticate": "Basic",
        },
        "body": "caf\u00e9 {",
    }
    outside.control("POST", "/faults", fault)
    reply = outside.raw("GET", outside.through(customer, "/crm/v3/objects/contacts"))
    assert (reply.status, reply.body) == (418, "café {".encode())
    for name, value in (
        ("Content-Type", "text/odd; a=b"),
        ("X-Provider", "yes"),
        ("Content-Security-Policy", "default-src *"),
        ("Cache-Control", "max-age=7"),
    ):
        assert reply.values(name) == [value]
    for name in ("Set-Cookie", "Keep-Alive", "Proxy-Authenticate"):
        assert reply.values(name) == []


def test_via_proxy_status_and_request_id_are_added_and_nothing_else(outside: Outside, customer: str) -> None:
    direct = outside.raw("GET", "/_echo/x", headers=[], base=outside.demo["sandboxUrl"])
    through = outside.raw("GET", outside.through(customer, "/_echo/x"))
    framing = {"connection", "keep-alive", "transfer-encoding", "content-length", "date"}
    own = {name.lower() for name, _ in direct.headers} - framing
    shown = {name.lower() for name, _ in through.headers} - framing
    assert shown - own == {"via", "proxy-status", "patchbay-request-id"}
    assert own - shown == set()
    assert (
        "patchbay" in through.values("Proxy-Status")[0]
        and "received-status=200" in through.values("Proxy-Status")[0]
    )


def test_response_bytes_of_header_values_are_kept(outside: Outside, customer: str) -> None:
    reply = outside.raw("GET", outside.through(customer, "/_redirect?to=/caf%C3%A9"))
    direct = outside.raw("GET", "/_redirect?to=/caf%C3%A9", headers=[], base=outside.demo["sandboxUrl"])
    assert reply.values("Location") == direct.values("Location")


@pytest.mark.parametrize(
    "code", [200, 201, 204, 205, 207, 301, 304, 400, 401, 403, 404, 409, 418, 429, 477, 500, 502, 503, 524]
)
def test_any_status_of_the_provider_comes_back_untouched(outside: Outside, customer: str, code: int) -> None:
    reply = outside.raw("GET", outside.through(customer, f"/_status/{code}"))
    assert reply.status == code
    assert f"received-status={code}" in reply.values("Proxy-Status")[0]
    if code not in (204, 205, 304):
        assert reply.json() == {"status": code}


@pytest.mark.parametrize("place", ["https://evil.example/x", "/_echo/elsewhere", "http://127.0.0.1:1/"])
def test_redirects_are_handed_back(outside: Outside, customer: str, place: str) -> None:
    reply = outside.raw("GET", outside.through(customer, f"/_redirect?to={quote(place, safe='')}"))
    assert (reply.status, reply.values("Location")) == (302, [place])
    assert (
        outside.envelope(customer, url=f"/_redirect?to={quote(place, safe='')}").headers["Location"] == place
    )
