"""One list of calls, run cold, hot and through Django's own handlers, has equal answers; warm calls ask no database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.db.backends.utils import CursorWrapper
from django.test import AsyncClient, Client

from integrations.models import Connection
from tests.egress.servers import Conversation
from tests.factories import World
from tests.proxy.calls import bearer, head_of, reply
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served

pytestmark = [pytest.mark.served, pytest.mark.usefixtures("cust")]
ROOT = "/proxy/hbdev/cust"
_VARYING = {"x-request-id", "patchbay-request-id", "date", "transfer-encoding", "connection"}


class Asked(NamedTuple):
    method: str
    target: str
    headers: dict[str, str] = {}
    body: bytes | None = None
    is_known: bool = True


def _json(**members: Any) -> bytes:
    return json.dumps(members).encode()


JSON = {"Content-Type": "application/json"}
CALLS = [
    Asked("GET", f"{ROOT}/plain"),
    Asked("GET", f"{ROOT}/a%2Fb?x=1&x=2&y=%20+"),
    Asked("GET", f"{ROOT}/repeated"),
    Asked("GET", f"{ROOT}/chunked"),
    Asked("HEAD", f"{ROOT}/plain"),
    Asked("GET", f"{ROOT}/empty"),
    Asked("GET", f"{ROOT}/missing"),
    Asked("GET", f"{ROOT}/broken"),
    Asked("POST", f"{ROOT}/plain", {"Content-Type": "text/plain"}, b"\x00\xff"),
    Asked("PATCH", f"{ROOT}/plain", JSON, b"{}"),
    Asked("DELETE", f"{ROOT}/plain"),
    Asked("OPTIONS", f"{ROOT}/plain"),
    Asked("GET", ROOT),
    Asked("GET", f"{ROOT}/plain", {"Accept": "text/html"}),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Timeout": "x"}),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Retries": "11"}),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Host": "evil.example"}),
    Asked("GET", f"{ROOT}/a/../b"),
    Asked("GET", f"{ROOT}/oauth/v1/token"),
    Asked("GET", "/proxy/hbdev/nobody/plain"),
    Asked("GET", "/proxy/unknown/cust/plain"),
    Asked("GET", "/proxy/hbdev//plain"),
    Asked("GET", "/proxy/hbdev/~/plain"),
    Asked("GET", f"{ROOT}/plain", is_known=False),
    Asked("TRACE", f"{ROOT}/plain"),
    Asked("GET", "/proxy/hbdev"),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/repeated")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/missing")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="//evil")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="HEAD", url="/plain")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/empty")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/chunked")),
    Asked("POST", "/api/raw/hbdev", JSON, _json(userForeignIdentifier="cust", method="HEAD", url="/plain")),
    Asked("POST", "/proxy/hbdev", JSON, b"{"),
    Asked("POST", "/proxy/hbdev", JSON, b"{", is_known=False),
    Asked("POST", "/api/raw/hbdev", JSON, _json(userForeignIdentifier="cust", method="get", url="/plain")),
    Asked("POST", "/api/raw/hbdev", JSON, _json(userForeignIdentifier="cust", method="get", url="/missing")),
    Asked("POST", "/api/shopify/hbdev", JSON, _json(userForeignIdentifier="cust", method="X", url="/plain")),
]


def answering(talk: Conversation) -> None:
    """A provider with a few ways to answer."""
    while True:
        first = head_of(talk.read_request())[0]
        method, target, _ = first.split(b" ")
        body = b"" if method == b"HEAD" else b'{"id": 9007199254740993, "x": 1.0}'
        path = target.partition(b"?")[0]
        if path == b"/repeated":
            talk.send(
                reply("200 OK", b"Link: <a>", b"Set-Cookie: s=1", b"Link: <b>", b"X-Odd: \xe9", body=body)
            )
        elif path == b"/chunked":
            talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        elif path == b"/empty":
            talk.send(b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n")
        elif path == b"/missing":
            talk.send(reply("404 Not Found", b"Content-Type: application/json", body=b'{"theirs":1}'))
        elif path == b"/broken":
            talk.reset()
            return
        else:
            talk.send(reply("200 OK", b"Content-Type: application/json", b"ETag: " + method, body=body))


class Answer(NamedTuple):
    status: int
    fields: list[tuple[str, str]]
    body: bytes


def _answer(status: int, fields: list[tuple[str, str]], body: bytes) -> Answer:
    """Without what is another each time: request ids, and framing that is the server's own."""
    shown = [(name.lower(), value) for name, value in fields if name.lower() not in _VARYING]
    if any(value == "application/problem+json" for _, value in shown):
        parsed = json.loads(body or b"{}")
        parsed.pop("requestId", None)
        body = json.dumps(parsed).encode()
        shown = [pair for pair in shown if pair[0] != "content-length"]
    return Answer(status, shown, body)


def _headers(at: World, asked: Asked) -> dict[str, str]:
    return {**(bearer(at) if asked.is_known else {}), **asked.headers}


def by_server(platform: Served, at: World, asked: Asked) -> Answer:
    got = platform.call(asked.method, asked.target, _headers(at, asked), asked.body)
    return _answer(got.status, got.fields, got.body)


def by_client(at: World, asked: Asked) -> Answer:
    url = urlsplit(asked.target)
    got = Client().generic(
        asked.method,
        url.path,
        asked.body or b"",
        content_type=asked.headers.get("Content-Type", ""),
        headers={k: v for k, v in _headers(at, asked).items() if k != "Content-Type"},
        QUERY_STRING=url.query,
        RAW_URI=asked.target,
    )
    return _answer(got.status_code, list(got.items()), got.getvalue())


class RawClient(AsyncClient):
    """Puts the raw path into the scope, as servers do."""

    raw_path = b""

    async def request(self, **scope: Any) -> Any:
        return await super().request(**scope, raw_path=self.raw_path)


def by_async_client(at: World, asked: Asked) -> Answer:
    async def call() -> Answer:
        url = urlsplit(asked.target)
        client = RawClient()
        client.raw_path = url.path.encode()
        got = await client.generic(
            asked.method,
            url.path,
            asked.body or b"",
            content_type=asked.headers.get("Content-Type", ""),
            headers={k: v for k, v in _headers(at, asked).items() if k != "Content-Type"},
            QUERY_STRING=url.query,
        )
        chunks = got.streaming_content
        body = b"".join([chunk async for chunk in chunks]) if got.is_async else got.getvalue()
        return _answer(got.status_code, list(got.items()), body)

    return async_to_sync(call)()


def test_cold_hot_and_djangos_handlers_answer_alike(platform: Served, at: World, provider: Serve) -> None:
    provider(answering)
    for asked in CALLS:
        cold = by_server(platform, at, asked)
        hot = by_server(platform, at, asked)
        assert hot == cold, asked
        assert by_client(at, asked) == cold, asked
        if asked.method != "TRACE":
            assert by_async_client(at, asked) == cold, asked


@contextmanager
def counted_queries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that any thread of this process sends through Django."""
    seen: list[str] = []
    execute = CursorWrapper.execute

    def counting(self: CursorWrapper, sql: str, params: Any = None) -> Any:
        seen.append(str(sql))
        return execute(self, sql, params)

    with monkeypatch.context() as patched:
        patched.setattr(CursorWrapper, "execute", counting)
        yield seen


@pytest.mark.parametrize("door", ["passthrough", "second door", "envelope"])
def test_a_warm_call_sends_no_statement_to_the_database(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    provider(answering)
    asked = {
        "passthrough": Asked("POST", f"{ROOT}/plain", {}, b"x"),
        "second door": Asked("GET", "/proxy/hbdev/~/plain", {"Patchbay-Connection": str(cust.pk)}),
        "envelope": Asked(
            "POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/plain")
        ),
    }[door]
    with counted_queries(monkeypatch) as cold:
        by_server(platform, at, asked)
    assert cold
    with counted_queries(monkeypatch) as warm:
        for _ in range(5):
            by_server(platform, at, asked)
    assert warm == []


def test_healthz_answers_any_host(platform: Served) -> None:
    for method in ("GET", "HEAD"):
        got = platform.raw(
            f"{method} /healthz HTTP/1.1\r\nHost: anything.example\r\n\r\n".encode(), method=method
        )
        assert got.status == 200
        assert got.get("Content-Type") == "application/json"


def test_everything_else_goes_to_django(platform: Served) -> None:
    got = platform.call("GET", "/nothing-here")
    assert got.status == 404
    assert got.get("X-Request-Id")
