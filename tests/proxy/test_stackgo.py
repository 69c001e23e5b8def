"""StackGo's raw calls: form or JSON in, data out."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from accounts.api.problems import Problem
from integrations.models import Connection
from proxy.replies import Reply
from proxy.stackgo import parse, wrapped
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import STACKGO_PATHS, bearer, body_of, head_of, problem, reply
from tests.proxy.conftest import TOKEN, Serve
from tests.proxy.servers import Served

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
CALL = {"userForeignIdentifier": "cust", "method": "post", "url": "https://api.hubapi.com/crm/v3?a=1"}


def formed(**members: str) -> Any:
    return parse(urlencode({**CALL, **members}).encode(), content_type=FORM, slug="hbdev")


def test_a_form_is_read() -> None:
    envelope = formed(body='{"a": 1.0}', headers='{"xero-tenant-id": "t1", "n": 5}')
    assert (envelope.method, envelope.url) == ("POST", CALL["url"])
    assert envelope.body == b'{"a": 1.0}'
    assert envelope.fields == [
        (b"xero-tenant-id", b"t1"), (b"n", b"5"), (b"content-type", b"application/json"),
    ]  # fmt: skip
    assert envelope.selector == ("hbdev", "cust", None, None)


def test_a_form_without_body_or_headers_sends_none() -> None:
    for members in ({}, {"body": "", "headers": ""}):
        envelope = formed(**members)
        assert (envelope.body, envelope.fields) == (None, [])


def test_json_is_read_with_values_or_strings() -> None:
    for body, headers in (
        ('{"n":9007199254740993}', '{"x-a":"1"}'),
        (json.dumps('{"n":9007199254740993}'), json.dumps('{"x-a":"1"}')),
    ):
        content = (
            f'{{"userForeignIdentifier":"c","method":"PUT","url":"/x","body":{body},"headers":{headers}}}'
        )
        envelope = parse(content.encode(), content_type="application/json; charset=utf-8", slug="hbdev")
        assert envelope.body == b'{"n":9007199254740993}'
        assert envelope.fields == [(b"x-a", b"1"), (b"content-type", b"application/json")]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"method": "FETCH"}, "method"),
        ({"url": ""}, "url"),
        ({"headers": "{"}, "headers"),
        ({"headers": "[]"}, "headers"),
        ({"headers": '{"X": "a\\nb"}'}, "headers.X"),
    ],
)
def test_what_cannot_be_used_is_named(members: dict[str, str], field: str) -> None:
    with pytest.raises(Problem) as caught:
        formed(**members)
    assert caught.value.members["field"] == field


@pytest.mark.parametrize(
    ("content", "content_type", "code"),
    [
        (b"method=GET&url=%2Fx", FORM, "invalid_request"),
        (b"userForeignIdentifier=%ff&method=GET&url=%2Fx", FORM, "invalid_request"),
        (b"{", JSON, "invalid_request"),
        (b"x", "multipart/form-data; boundary=x", "unsupported_media_type"),
        (b"<x/>", "text/xml", "unsupported_media_type"),
    ],
)
def test_what_cannot_be_read_is_refused(content: bytes, content_type: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(content, content_type=content_type, slug="hbdev")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("content", "fields", "data"),
    [
        (b'{"id": 9007199254740993, "x": 1.0}', [], b'{"id": 9007199254740993, "x": 1.0}'),
        (b" [1e400]\n", [], b" [1e400]\n"),
        (b"\xef\xbb\xbf[1]", [], b"[1]"),
        (b"[" + b"1," * 50_000 + b"1.0]", [], b"[" + b"1," * 50_000 + b"1.0]"),
        (b"", [], b"null"),
        (b"null", [], b"null"),
        (b"plain text", [(b"content-type", b"text/plain")], b'"plain text"'),
        (b"caf\xe9", [(b"content-type", b"text/plain; charset=latin-1")], b'"caf\\u00e9"'),
        ("é".encode(), [], b'"\\u00e9"'),
        (b"\xff", [], b'"\\ufffd"'),
        (b"NaN", [], b'"NaN"'),
        (b'{"a":', [], b'"{\\"a\\":"'),
        (gzip.compress(b'{"a":1}', mtime=0), [(b"content-encoding", b"gzip")], b'{"a":1}'),
        (
            gzip.compress(b"[1,", mtime=0) + gzip.compress(b"2]", mtime=0),
            [(b"content-encoding", b"gzip")],
            b"[1,2]",
        ),
        (b"not gzip", [(b"content-encoding", b"gzip")], b'"not gzip"'),
        (b"cut", [(b"content-encoding", b"deflate")], b'"cut"'),
        ('{"a":1}'.encode("utf-16"), [(b"content-type", b"text/json; charset=utf-16")], b'"{\\"a\\":1}"'),
        (b'"\xed\xa0\x80"', [], b'"\\"\\ufffd\\ufffd\\ufffd\\""'),
    ],
)
async def test_2xx_is_wrapped_without_touching_a_number(
    content: bytes, fields: list[tuple[bytes, bytes]], data: bytes
) -> None:
    ours = [(b"via", b"1.1 patchbay"), (b"proxy-status", b"patchbay"), (b"patchbay-request-id", b"r1")]
    got = await wrapped(Reply(201, [*fields, *ours], content=content), request_id="r1")
    assert (got.status, got.content) == (200, b'{"data":' + data + b"}")
    json.loads(got.content)


@pytest.mark.served
@pytest.mark.parametrize("path", STACKGO_PATHS)
def test_every_path_of_stackgo_calls_the_provider(
    platform: Served, at: World, cust: Connection, provider: Serve, path: str
) -> None:
    upstream = provider(
        replying(reply("201 Created", b"Content-Type: application/json", body=b'{"id": "1"}'))
    )
    content = urlencode({**CALL, "body": '{"a":1}'}).encode()
    got = platform.call("POST", path, {**bearer(at), "Content-Type": FORM}, content)
    assert (got.status, got.body) == (200, b'{"data":{"id": "1"}}')
    assert got.get("Cache-Control") == "no-store"
    assert head_of(upstream.requests[-1])[0] == b"POST /crm/v3?a=1 HTTP/1.1"
    assert body_of(upstream.requests[-1]) == b'{"a":1}'
    assert TOKEN.encode() in upstream.requests[-1]


@pytest.mark.served
def test_anything_but_2xx_comes_back_as_it_is_and_unstored(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    body = b'{ "status" : "error" }'
    for status in ("404 Not Found", "302 Found", "500 Oops"):
        provider(replying(reply(status, b"X-Theirs: 1", b"Cache-Control: max-age=60", body=body)))
        got = platform.call(
            "POST", "/api/raw/hbdev", {**bearer(at), "Content-Type": FORM}, urlencode(CALL).encode()
        )
        assert (got.status, got.body, got.get("X-Theirs")) == (int(status[:3]), body, "1")
        assert got.all("Cache-Control") == ["no-store"]


@pytest.mark.served
def test_no_content_is_null(platform: Served, at: World, cust: Connection, provider: Serve) -> None:
    provider(replying(b"HTTP/1.1 204 No Content\r\n\r\n"))
    got = platform.call(
        "POST", "/api/raw/hbdev", {**bearer(at), "Content-Type": FORM}, urlencode(CALL).encode()
    )
    assert (got.status, got.body) == (200, b'{"data":null}')


@pytest.mark.served
def test_another_host_is_refused(platform: Served, at: World, cust: Connection, provider: Serve) -> None:
    upstream = provider(replying(reply()))
    content = urlencode({**CALL, "url": "https://evil.example/x"}).encode()
    got = platform.call("POST", "/api/raw/hbdev", {**bearer(at), "Content-Type": FORM}, content)
    assert (got.status, problem(got.body)["code"], got.get("Cache-Control")) == (
        403, "destination_not_allowed", "no-store",
    )  # fmt: skip
    assert upstream.requests == []


@pytest.mark.served
def test_a_reply_too_long_to_wrap_is_told_so(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(replying(reply("200 OK", body=b"x" * 10_000_001)))
    got = platform.call(
        "POST", "/api/raw/hbdev", {**bearer(at), "Content-Type": FORM}, urlencode(CALL).encode()
    )
    assert (got.status, problem(got.body)["code"]) == (502, "upstream_unreachable")
    assert got.get("Proxy-Status") == "patchbay; error=http_response_body_size"
