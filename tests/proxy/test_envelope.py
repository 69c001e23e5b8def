"""Envelopes: what they may say, and that no byte of a body changes."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from accounts.api.problems import Problem
from integrations.errors import InvalidInput
from proxy.credentials import ONLY_AUTHORIZATION
from proxy.envelope import Envelope, parse

BASE = {"userForeignIdentifier": "cust", "method": "GET", "url": "/crm"}


def parsed(**members: Any) -> Envelope:
    return parse(json.dumps({**BASE, **members}).encode(), slug="hbdev")


def field_of(content: bytes) -> str:
    with pytest.raises((Problem, InvalidInput)) as caught:
        parse(content, slug="hbdev")
    error = caught.value
    return error.field if isinstance(error, InvalidInput) else error.members["field"]


@pytest.mark.parametrize(
    "text",
    [
        '{"id": 9007199254740993}',
        "[1.0, 1e400, -0, 1E+2, 0.1000000000000000055511151231257827]",
        '{ "a" : 1 ,"a":2,\n\t"b":"\\u00e9\\/" }',
        "123456789012345678901234567890",
        "true",
        "[]",
        '{"body": {"body": 1}}',
        "1" * 5000,
    ],
)
def test_a_json_body_is_sent_as_the_text_it_was_written_in(text: str) -> None:
    head = '{"url":"/crm","method":"POST","userForeignIdentifier":"c", "body" :  '
    content = f"{head}{text}  }}".encode()
    envelope = parse(content, slug="hbdev")
    assert envelope.body == text.encode()
    assert envelope.fields == [(b"content-type", b"application/json")]


def test_a_string_body_is_sent_as_it_is_and_without_a_type_of_ours() -> None:
    envelope = parsed(method="POST", body='é\n{"a":1}')
    assert envelope.body == 'é\n{"a":1}'.encode()
    assert envelope.fields == []


def test_a_type_that_was_given_stays() -> None:
    envelope = parsed(method="POST", body={"a": 1}, headers={"Content-Type": "application/vnd.x+json"})
    assert envelope.fields == [(b"content-type", b"application/vnd.x+json")]


def test_bytes_come_in_base64() -> None:
    assert parsed(method="PUT", bodyBase64=base64.b64encode(b"\x00\xff").decode()).body == b"\x00\xff"
    assert parsed(method="PUT", bodyBase64="").body == b""


def test_null_is_no_body() -> None:
    assert parsed(body=None).body is None
    assert parsed().body is None


@pytest.mark.parametrize("method", ["get", "Get", "GET", "options", "DELETE"])
def test_a_method_may_be_written_in_any_letter_case(method: str) -> None:
    assert parsed(method=method).method == method.upper()


@pytest.mark.parametrize(
    ("query", "url"),
    [
        ({"a": "x y", "b": ["1", 2, True]}, "/crm?a=x%20y&b=1&b=2&b=true"),
        ({"a/b": "c&d=e+f~"}, "/crm?a%2Fb=c%26d%3De%2Bf~"),
        ({"n": 9007199254740993, "f": 1.5}, "/crm?n=9007199254740993&f=1.5"),
        ({"e": ""}, "/crm?e="),
        ({"l": []}, "/crm"),
        ({"ü": "日"}, "/crm?%C3%BC=%E6%97%A5"),
        ({}, "/crm"),
    ],
)
def test_query_members_are_percent_encoded_and_lists_repeat(query: dict[str, Any], url: str) -> None:
    assert parsed(query=query).url == url


def test_query_members_come_after_the_urls_own_query() -> None:
    assert parsed(url="/crm?x=%2F", query={"a": "1"}).url == "/crm?x=%2F&a=1"
    assert parsed(url="/crm?", query={"a": "1"}).url == "/crm?a=1"


def test_credentials_cookies_and_hop_by_hop_fields_in_headers_do_not_go_on() -> None:
    names = [
        "Authorization",
        "Cookie",
        "Connection",
        "Host",
        "Content-Length",
        "Patchbay-Host",
        "X-Forwarded-For",
    ]
    envelope = parsed(headers={**dict.fromkeys(names, "1"), "X-Custom": "ok"})
    assert envelope.sent_fields(ONLY_AUTHORIZATION) == [(b"x-custom", b"ok")]


def test_a_connection_is_named_by_uuid_or_by_customer_and_name() -> None:
    uuid = "9f0c2f0e-6c1e-4c53-9a2f-0d5a8a0a6c11"
    assert parsed(connectionName="eu").selector == ("hbdev", "cust", None, "eu")
    content = json.dumps({"UUID": uuid, "method": "GET", "url": "/"}).encode()
    assert parse(content, slug="hbdev").selector == ("hbdev", None, UUID(uuid), None)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"method": "TRACE"}, "method"),
        ({"method": "CONNECT"}, "method"),
        ({"method": "FETCH"}, "method"),
        ({"method": ""}, "method"),
        ({"method": None}, "method"),
        ({"method": 1}, "method"),
        ({"url": ""}, "url"),
        ({"url": None}, "url"),
        ({"url": 5}, "url"),
        ({"url": ["/"]}, "url"),
        ({"userForeignIdentifier": 5}, "userForeignIdentifier"),
        ({"userForeignIdentifier": ["c"]}, "userForeignIdentifier"),
        ({"UUID": "x"}, "UUID"),
        ({"UUID": {}}, "UUID"),
        ({"connectionName": 1}, "connectionName"),
        ({"headers": []}, "headers"),
        ({"headers": "X: 1"}, "headers"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A"),
        ({"headers": {"X-A": "a\nb"}}, "headers.X-A"),
        ({"headers": {"X-A": "日本"}}, "headers.X-A"),
        ({"headers": {"X-A": None}}, "headers.X-A"),
        ({"headers": {"X-A": ["1"]}}, "headers.X-A"),
        ({"headers": {"X A": "1"}}, "headers.X A"),
        ({"headers": {"": "1"}}, "headers."),
        ({"headers": {"X-A: b\r\n": "1"}}, "headers.X-A: b\r\n"),
        ({"query": "a=1"}, "query"),
        ({"query": {"a": None}}, "query.a"),
        ({"query": {"a": {"b": 1}}}, "query.a"),
        ({"query": {"a": "\ud800"}}, "query.a"),
        ({"body": "a", "bodyBase64": "YQ=="}, "bodyBase64"),
        ({"bodyBase64": "a"}, "bodyBase64"),
        ({"bodyBase64": "é"}, "bodyBase64"),
        ({"bodyBase64": 5}, "bodyBase64"),
        ({"body": "\ud800"}, "body"),
        ({"heders": {}}, "heders"),
    ],
)
def test_a_member_that_cannot_be_used_is_named(members: dict[str, Any], field: str) -> None:
    assert field_of(json.dumps({**BASE, **members}).encode()) == field


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"1", b"null", b'"x"', b"{", b"{}x", b'{"a":}', b'{"a":1,}', b"{'a':1}", b'{"method":NaN}',
        b'{"body":Infinity}', b"\xff\xfe", b'{"a" 1}', b'{"a":1 "b":2}', b"[" * 100_000, b'{"body":' + b"[" * 100_000,
        b"method=GET", b'{"a\n":1}',
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    assert field_of(content) == "body"


def test_a_member_that_is_there_twice_is_refused() -> None:
    assert field_of(b'{"url":"/a","url":"/b"}') == "url"
