"""The main issue's paragraph on bad input: a problem that names the field, and no half-made row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.outside import Outside, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]
BAD_IDENTIFIERS = ["x" * 1_025, "é" * 1_025, "", "a\0b", "\0", ".", "..", "~", "a\nb", "\x7f", "\x85"]
JSON_DOORS = {
    "/api/v1/connect-links": {"appSlug": "hbdev"},
    "/api/v1/manage-links": {},
    "/api/v1/connections/import": {"appSlug": "hbdev", "accessToken": "CAccess", "expiresIn": 60},
    "/api/v1/proxy/hbdev": {"method": "GET", "url": "/_echo/x"},
    "/api/raw/hbdev": {"method": "GET", "url": "https://api.hubapi.com/_echo/x"},
}
QUERY_DOORS = {
    "/api/hubspot/auth/hbdev": "GET",
    "/api/saas-org-user/get-user/hbdev": "GET",
    "/api/saas-org-user/delete-user/hbdev": "DELETE",
    "/api/v1/connections": "GET",
}


@pytest.mark.parametrize("identifier", BAD_IDENTIFIERS, ids=lambda text: ascii(text[:5]))
@pytest.mark.parametrize("door", JSON_DOORS)
def test_an_identifier_that_is_none_is_refused_at_every_door_with_a_body(
    outside: Outside, door: str, identifier: str
) -> None:
    before = outside.rows()
    body = {**JSON_DOORS[door], "userForeignIdentifier": identifier}
    problem(outside.call("POST", door, json=body), 400, "invalid_request", field="userForeignIdentifier")
    assert outside.rows() == before


@pytest.mark.parametrize("identifier", BAD_IDENTIFIERS, ids=lambda text: ascii(text[:5]))
@pytest.mark.parametrize("door", QUERY_DOORS)
def test_an_identifier_that_is_none_is_refused_at_every_door_with_a_query(
    outside: Outside, door: str, identifier: str
) -> None:
    before = outside.rows()
    reply = outside.call(QUERY_DOORS[door], door, params={"userForeignIdentifier": identifier})
    problem(reply, 400, "invalid_request", field="userForeignIdentifier")
    assert outside.rows() == before


@pytest.mark.parametrize("identifier", [5, 1.5, True, None, ["x"], {"a": 1}])
@pytest.mark.parametrize("door", [door for door in JSON_DOORS if "/raw/" not in door])
def test_an_identifier_of_another_type_is_refused(outside: Outside, door: str, identifier: Any) -> None:
    before = outside.rows()
    body = {**JSON_DOORS[door], "userForeignIdentifier": identifier}
    problem(outside.call("POST", door, json=body), 400, "invalid_request", field="userForeignIdentifier")
    assert outside.rows() == before


def test_a_lone_surrogate_is_refused_at_every_door(outside: Outside) -> None:
    before = outside.rows()
    headers = [*outside.partner.bearer.items(), ("Content-Type", "application/json")]
    for door, members in JSON_DOORS.items():
        content = json.dumps({**members, "userForeignIdentifier": "X"}).replace('"X"', '"a\\ud800"').encode()
        problem(outside.raw("POST", door, headers=headers, body=content), 400, "invalid_request")
    for door, method in QUERY_DOORS.items():
        for encoded in ("%ff", "a%ed%a0%80", "%C3"):
            reply = outside.raw(method, f"{door}?userForeignIdentifier={encoded}")
            problem(reply, 400, "invalid_request")
    assert outside.rows() == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b"1",
        b"{} {}",
        b"\xff",
        b"[" * 50_000,
        b'{"a":NaN}',
        b"appSlug=hbdev",
        b'{"appSlug":"hbdev",}',
    ],
    ids=lambda content: repr(content[:16]),
)
@pytest.mark.parametrize("door", JSON_DOORS)
def test_malformed_json_is_refused_at_every_door(outside: Outside, door: str, content: bytes) -> None:
    before = outside.rows()
    headers = [*outside.partner.bearer.items(), ("Content-Type", "application/json")]
    problem(outside.raw("POST", door, headers=headers, body=content), 400, "invalid_request")
    assert outside.rows() == before


@pytest.mark.parametrize(
    "door", ["/api/v1/connect-links", "/api/v1/manage-links", "/api/v1/connections/import", "/oauth/token"]
)
def test_oversized_bodies_are_413_at_every_door(outside: Outside, door: str) -> None:
    before = outside.rows()
    body = {"appSlug": "hbdev", "userForeignIdentifier": "x" * 2_000_000}
    problem(outside.call("POST", door, json=body), 413, "content_too_large")
    assert outside.rows() == before


def test_an_oversized_body_in_chunks_is_413_too(outside: Outside) -> None:
    pieces = iter([b'{"appSlug": "', *[b"x" * 65_536] * 40, b'"}'])
    headers = {"Content-Type": "application/json"}
    problem(
        outside.call("POST", "/api/v1/connect-links", data=pieces, headers=headers), 413, "content_too_large"
    )


@pytest.mark.parametrize("content_type", ["application/xml", "text/plain", "multipart/form-data; boundary=x"])
def test_a_body_of_another_media_type_is_415(outside: Outside, content_type: str) -> None:
    reply = outside.call("POST", "/api/v1/connect-links", data=b"x", headers={"Content-Type": content_type})
    problem(reply, 415, "unsupported_media_type")


@pytest.mark.parametrize("slug", ["none-such", "HBDEV", "hbdev ", "..", "%00", "x" * 300, "hbdev%2F", "é"])
def test_an_unknown_slug_is_not_found_at_every_door(outside: Outside, slug: str) -> None:
    before = outside.rows()
    for door in (
        "/api/v1/integrations/{}",
        "/api/saas-org-user/get-users/{}",
        "/api/hubspot/auth/{}?userForeignIdentifier=x",
    ):
        path = door.format(requests_quote(slug))
        reply = outside.raw("GET", path)
        assert reply.status == 404, (path, reply.body)
    for slug_member in (slug,):
        body = {"appSlug": slug_member, "userForeignIdentifier": outside.customer()}
        reply = outside.call("POST", "/api/v1/connect-links", json=body)
        assert reply.status_code in (400, 404)
        problem(reply, reply.status_code, reply.json()["code"])
    assert outside.rows() == before


def requests_quote(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="%")


@pytest.mark.parametrize("slug", [5, None, [], {}, True, ""])
def test_a_slug_of_another_type_is_refused_by_name(outside: Outside, slug: Any) -> None:
    body = {"appSlug": slug, "userForeignIdentifier": outside.customer()}
    for door in ("/api/v1/connect-links", "/api/v1/connections/import"):
        reply = outside.call(
            "POST", door, json={**body, **({"accessToken": "a", "expiresIn": 1} if "import" in door else {})}
        )
        problem(reply, 400, "invalid_request", field="appSlug")


def test_an_unknown_customer_is_not_found(outside: Outside) -> None:
    before = outside.rows()
    reply = outside.call("POST", "/api/v1/manage-links", json={"userForeignIdentifier": outside.customer()})
    problem(reply, 404, "not_found")
    assert outside.rows() == before


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /api/v1/connections?a=\xff HTTP/1.1",
        b"GET /proxy/hbdev/\xff/x HTTP/1.1",
        b"GET /proxy/hbdev/x/y?\xff HTTP/1.1",
        b"GET /proxy/hbdev HTTP/1.1",
        b"GET /proxy/hbdev/ HTTP/1.1",
        b"GET /proxy// HTTP/1.1",
        b"GET /proxy/%2e%2e/x/y HTTP/1.1",
        b"GET /api/%00 HTTP/1.1",
        b"GET //api/v1/connections HTTP/1.1",
        b"GET /api/v1/../v1/connections HTTP/1.1",
        b"GET http://evil.example/api/v1/connections HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"FOO /api/v1/connections HTTP/1.1",
    ],
)
def test_odd_request_lines_never_end_in_a_500(outside: Outside, request_line: bytes) -> None:
    key = outside.partner.api_key.encode()
    head = (
        request_line
        + b"\r\nHost: localhost\r\nAuthorization: Bearer "
        + key
        + b"\r\nConnection: close\r\n\r\n"
    )
    status = int(outside.spoken(head).split(b" ")[1])
    assert status < 500
