"""Contract section 3: the envelope, and how a connection is found."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from typing import Any

import pytest
import requests

from tests.contract.echo import Seen
from tests.contract.outside import Outside, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]
API = "https://api.hubapi.com"


def seen(reply: requests.Response) -> Seen:
    assert reply.status_code == 200, reply.text
    return Seen.of(reply.json())


@pytest.mark.parametrize("path", ["/api/v1/proxy/hbdev", "/proxy/hbdev"])
def test_the_envelope_answers_under_the_native_api_and_beside_the_passthrough(
    outside: Outside, customer: str, path: str
) -> None:
    body = {"userForeignIdentifier": customer, "method": "GET", "url": "/_echo/x"}
    reply = outside.call("POST", path, json=body)
    assert seen(reply).target == "/_echo/x"
    problem(outside.call("POST", path, json=body, as_nobody=True), 401, "not_authenticated")
    problem(outside.call("POST", path, json={}), 400, "invalid_request")


def test_the_reply_is_the_providers_own_whatever_accept_says(outside: Outside, customer: str) -> None:
    for accept in ("text/html", "application/xml", "image/png;q=1", "nonsense", "application/json;version=9"):
        body = {"userForeignIdentifier": customer, "method": "GET", "url": "/_status/418"}
        reply = outside.call("POST", "/api/v1/proxy/hbdev", json=body, headers={"Accept": accept})
        assert (reply.status_code, reply.json()) == (418, {"status": 418})
        assert reply.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "Patch"])
def test_each_method_is_sent(outside: Outside, customer: str, method: str) -> None:
    assert seen(outside.envelope(customer, method, "/_echo/x")).method == method.upper()


def test_head_is_sent_and_answered_without_content(outside: Outside, customer: str) -> None:
    reply = outside.envelope(customer, "HEAD", "/_bytes/50")
    assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "", "G ET", "GET\r\n", "FOO", None, 5, ["GET"], {}])
def test_a_method_that_is_none_is_refused_by_name(outside: Outside, customer: str, method: Any) -> None:
    body = {"userForeignIdentifier": customer, "method": method, "url": "/_echo/x"}
    problem(outside.call("POST", "/api/v1/proxy/hbdev", json=body), 400, "invalid_request", field="method")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/_echo/x", "/_echo/x"),
        (f"{API}/_echo/x", "/_echo/x"),
        (f"{API.upper().replace('HTTPS', 'https')}/_echo/X", "/_echo/X"),
        (f"{API}:443/_echo/x", "/_echo/x"),
        ("/_echo/a%2Fb%20c?x=1&x=2&y=a+b", "/_echo/a%2Fb%20c?x=1&x=2&y=a+b"),
        ("/_echo//x", "/_echo//x"),
        ("https://api.hubspot.com/_echo/x", "/_echo/x"),
    ],
)
def test_a_url_is_absolute_or_a_path_under_the_base(
    outside: Outside, customer: str, url: str, target: str
) -> None:
    assert seen(outside.envelope(customer, url=url)).target == target


def test_query_members_follow_the_urls_own(outside: Outside, customer: str) -> None:
    query = {"name": "a b&c=d/é", "tags": ["x", "y"], "n": 1.50, "yes": True, "empty": ""}
    url = "/_echo/x?first=1"
    assert seen(outside.envelope(customer, url=url, query=query)).target == (
        "/_echo/x?first=1&name=a%20b%26c%3Dd%2F%C3%A9&tags=x&tags=y&n=1.5&yes=true&empty="
    )
    assert seen(outside.envelope(customer, url="/_echo/x", query={"a": "1"})).target == "/_echo/x?a=1"


@pytest.mark.parametrize("query", ["a=1", ["a"], 5, {"a": {"b": 1}}, {"a": [["x"]]}])
def test_a_query_that_is_none_is_refused_by_name(outside: Outside, customer: str, query: Any) -> None:
    found = problem(outside.envelope(customer, url="/_echo/x", query=query), 400, "invalid_request")
    assert found["field"].startswith("query")


def test_a_string_body_is_sent_verbatim_and_a_json_value_as_json(outside: Outside, customer: str) -> None:
    text = '{"a":  1, "é": "\\u00e9"}\n'
    sent = seen(outside.envelope(customer, "POST", "/_echo/x", body=text))
    assert sent.body == text.encode()
    value = {"a": [1, 2.5, None, True], "é": "ü"}
    sent = seen(outside.envelope(customer, "POST", "/_echo/x", body=value))
    assert json.loads(sent.body) == value
    assert sent.values("content-type") == ["application/json"]
    for value in ([], {}, 0, False, 12345678901234567890):
        assert json.loads(seen(outside.envelope(customer, "POST", "/_echo/x", body=value)).body) == value
    raw = json.dumps({"userForeignIdentifier": customer, "method": "POST", "url": "/_echo/x"})[:-1]
    reply = outside.raw(
        "POST",
        "/api/v1/proxy/hbdev",
        headers=[*outside.partner.bearer.items(), ("Content-Type", "application/json")],
        body=f'{raw},"body":1.10}}'.encode(),
    )
    assert Seen.of(reply.json()).body == b"1.10"


def test_a_body_in_base64_is_sent_as_its_bytes(outside: Outside, customer: str) -> None:
    content = bytes(range(256))
    encoded = b64encode(content).decode()
    sent = seen(
        outside.envelope(
            customer,
            "POST",
            "/_echo/x",
            bodyBase64=encoded,
            headers={"Content-Type": "application/octet-stream", "X-Mine": "yes"},
        )
    )
    assert sent.body == content
    assert sent.values("content-type") == ["application/octet-stream"]
    assert sent.values("x-mine") == ["yes"]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"bodyBase64": "a"}, "bodyBase64"),
        ({"bodyBase64": "ab cd"}, "bodyBase64"),
        ({"bodyBase64": 5}, "bodyBase64"),
        ({"bodyBase64": "YQ==", "body": "a"}, "bodyBase64"),
        ({"headers": "X: y"}, "headers"),
        ({"headers": {"X": [1]}}, "headers.X"),
        ({"headers": {"X Y": "1"}}, "headers.X Y"),
        ({"headers": {"X": "a\r\nb: c"}}, "headers.X"),
        ({"headers": {"X": "é"}}, "headers.X"),
        ({"headers": {"": "x"}}, "headers."),
        ({"nonsense": 1}, "nonsense"),
        ({"url": None}, "url"),
        ({"url": ""}, "url"),
        ({"url": 5}, "url"),
        ({"url": ["/x"]}, "url"),
        ({"connectionName": 5}, "connectionName"),
        ({"userForeignIdentifier": 5}, "userForeignIdentifier"),
        ({"userForeignIdentifier": None}, "userForeignIdentifier"),
        ({"userForeignIdentifier": None, "UUID": "x"}, "UUID"),
        ({"userForeignIdentifier": None, "UUID": 5}, "UUID"),
    ],
)
def test_members_of_a_wrong_shape_are_refused_by_name(
    outside: Outside, customer: str, members: dict[str, Any], field: str
) -> None:
    body = {"userForeignIdentifier": customer, "method": "POST", "url": "/_echo/x", **members}
    body = {name: value for name, value in body.items() if value is not None}
    problem(outside.call("POST", "/api/v1/proxy/hbdev", json=body), 400, "invalid_request", field=field)


@pytest.mark.parametrize(
    "url",
    [
        "//api.hubapi.com/_echo/x",
        "//evil.example/x",
        "/_echo/../crm",
        "/_echo/./x",
        "/_echo/%2e%2e/x",
        "/_echo/.%2E/x",
        "/_echo/%2e",
        "/_echo/..%2Fx",
        "/_echo/x%2F..%2Fy",
        "/..",
        f"{API}/_echo/../x",
        f"{API}/%2e%2e/x",
        "/_echo/a\\..\\b",
        "/_echo/a b",
        "/_echo/\r\nX: y",
        "/_echo/\0",
        "https:///x",
        "https://",
        "https:/api.hubapi.com/x",
        "https:api.hubapi.com",
        "https://user@api.hubapi.com/_echo/x",
        "https://user:pass@api.hubapi.com/_echo/x",
        "https://api.hubapi.com:99999/",
        "https://api.hubapi.com\\@evil.example/",
        "https://api.hubapi.com#@evil.example/",
        "mailto:a@b.example",
        "javascript:alert(1)",
        "ftp://api.hubapi.com/x",
        "file:///etc/passwd",
    ],
)
def test_a_url_that_is_none_is_refused_by_name(outside: Outside, customer: str, url: str) -> None:
    reply = outside.envelope(customer, url=url, query={"mark": customer[-36:]})
    assert reply.status_code in (400, 403), reply.text
    problem(reply, reply.status_code, reply.json()["code"], field="url")
    assert outside.arrived(customer[-36:]) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://api.hubapi.com.evil.example/",
        "https://evil.example/?x=api.hubapi.com",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://2130706433/",
        "https://localhost/",
        "https://10.0.0.1/",
        "http://api.hubapi.com/_echo/x",
        "https://api.hubapi.com:8443/_echo/x",
        "https://app.hubspot.com/",
    ],
)
def test_a_url_of_another_place_is_not_allowed(outside: Outside, customer: str, url: str) -> None:
    reply = outside.envelope(customer, url=url)
    assert reply.status_code in (400, 403), reply.text
    problem(
        reply,
        reply.status_code,
        "destination_not_allowed" if reply.status_code == 403 else "invalid_request",
        field="url",
    )


def test_the_sandboxes_own_address_is_not_allowed(outside: Outside, customer: str) -> None:
    """Only the map leads to loopback; a partner cannot name the address."""
    for origin in (outside.demo["sandboxUrl"], outside.base, "https://127.0.0.1"):
        reply = outside.envelope(customer, url=f"{origin}/_control/state")
        assert reply.status_code in (400, 403)
        problem(reply, reply.status_code, reply.json()["code"], field="url")


def test_ten_megabytes_are_taken_and_more_is_413_that_names_the_passthrough(
    outside: Outside, customer: str
) -> None:
    fits = {"userForeignIdentifier": customer, "method": "POST", "url": "/_sink", "body": "x" * 9_900_000}
    reply = outside.call("POST", "/api/v1/proxy/hbdev", json=fits)
    assert reply.json()["bytes"] == 9_900_000
    found = problem(
        outside.call("POST", "/api/v1/proxy/hbdev", json={**fits, "body": "x" * 10_600_000}),
        413,
        "content_too_large",
    )
    assert "/proxy/" in found["detail"] or "passthrough" in found["detail"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b"5",
        b"{} x",
        b'{"method": NaN}',
        b'{"method": "GET", "method": "GET"}',
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"url": "\\ud800"}',
        b"method=GET",
    ],
)
def test_malformed_json_is_a_problem(outside: Outside, content: bytes) -> None:
    headers = [*outside.partner.bearer.items(), ("Content-Type", "application/json")]
    problem(outside.raw("POST", "/api/v1/proxy/hbdev", headers=headers, body=content), 400, "invalid_request")


def test_a_connection_is_found_by_uuid_or_by_customer_and_name(outside: Outside) -> None:
    customer = outside.customer()
    usual, other = outside.adopt(customer), outside.adopt(customer, connectionName="other")

    def authorization(**members: Any) -> list[str]:
        named = members.pop("who", customer)
        return seen(outside.envelope(named, url="/_echo/x", **members)).values("authorization")

    assert (
        authorization()
        == authorization(connectionName="default")
        == authorization(who=None, UUID=usual["UUID"])
    )
    assert authorization(connectionName="other") == authorization(who=None, UUID=other["UUID"])
    assert authorization(connectionName="other", UUID=other["UUID"]) != authorization()
    assert authorization(who=None, UUID=usual["UUID"].upper()) == authorization()


def test_uuid_and_customer_that_disagree_are_400(outside: Outside, customer: str) -> None:
    other = outside.customer()
    made = outside.adopt(other)
    for members in (
        {"userForeignIdentifier": customer, "UUID": made["UUID"]},
        {"userForeignIdentifier": "nobody", "UUID": made["UUID"]},
        {"userForeignIdentifier": other, "connectionName": "else", "UUID": made["UUID"]},
    ):
        body = {"method": "GET", "url": "/_echo/x", **members}
        problem(outside.call("POST", "/api/v1/proxy/hbdev", json=body), 400, "invalid_request")
        headers = {"Patchbay-Connection": made["UUID"]}
        if "connectionName" in members:
            headers["Patchbay-Connection-Name"] = members["connectionName"]
        path = outside.through(members["userForeignIdentifier"], "/_echo/x")
        problem(outside.call("GET", path, headers=headers), 400, "invalid_request")


def test_a_uuid_under_another_slug_is_404(outside: Outside, callers: dict[str, Any], second: str) -> None:
    made = outside.adopt(outside.customer())
    body = {"UUID": made["UUID"], "method": "GET", "url": "/_echo/x"}
    reply = outside.call("POST", f"/proxy/{second}", json=body, partner=callers["stranger"])
    problem(reply, 404, "connection_not_found")
    problem(outside.call("POST", f"/proxy/{second}", json=body), 404, "not_found")
    unknown = {**body, "UUID": str(uuid.uuid4())}
    problem(outside.call("POST", "/api/v1/proxy/hbdev", json=unknown), 404, "connection_not_found")


def test_one_of_several_called_default_is_meant_where_no_name_is_given(outside: Outside) -> None:
    customer = outside.customer()
    outside.adopt(customer, connectionName="a-first")
    usual = outside.adopt(customer)
    by_name = seen(outside.envelope(customer, url="/_echo/x")).values("authorization")
    by_uuid = seen(outside.envelope(None, url="/_echo/x", UUID=usual["UUID"])).values("authorization")
    assert by_name == by_uuid
    problem(
        outside.envelope(customer, url="/_echo/x", connectionName="none-such"), 404, "connection_not_found"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/oauth/v1/token",
        "/oauth/2026-09/token",
        "/oauth/v1/refresh-tokens/x",
        "/appinstalls/v3/external-install",
        "/webhooks/v3/1/subscriptions",
        "/oauth%2Fv1/token",
        "/%6fauth/v1/token",
        "/%256fauth/v1/token",
        "//oauth/v1/token",
        "/OAuth/v1/token",
        "/oauth;x=1/v1/token",
    ],
)
def test_the_app_owners_paths_are_closed_at_both_doors(outside: Outside, customer: str, path: str) -> None:
    path = f"{path}?mark={customer[-36:]}"
    problem(outside.raw("GET", outside.through(customer, path)), 403, "destination_not_allowed")
    if not path.startswith("//"):
        problem(outside.envelope(customer, url=path), 403, "destination_not_allowed", field="url")
    assert outside.arrived(customer[-36:]) == []
