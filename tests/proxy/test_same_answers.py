"""One list of calls, run cold, hot and through Django's own handlers, has equal answers; warm calls ask no database."""

from __future__ import annotations

import gzip
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
from integrations.models.connection import Status
from tests import factories
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
    Asked("GET", f"{ROOT}/unchanged", {"If-None-Match": '"v1"'}),
    Asked("HEAD", f"{ROOT}/chunked"),
    Asked("HEAD", f"{ROOT}/missing"),
    Asked("GET", f"{ROOT}/moved"),
    Asked("GET", f"{ROOT}/several"),
    Asked("GET", f"{ROOT}/part", {"Range": "bytes=0-3"}),
    Asked("GET", f"{ROOT}/failing"),
    Asked("GET", f"{ROOT}/nothing"),
    Asked("GET", f"{ROOT}/zipped", {"Accept-Encoding": "gzip, br"}),
    Asked("POST", f"{ROOT}/early", {}, b"x"),
    Asked("PUT", f"{ROOT}/plain", {"Content-Type": "application/octet-stream"}, b"\x00" * 70_000),
    Asked("PUT", f"{ROOT}/plain", {}, b""),
    Asked("GET", f"{ROOT}/plain?a=%00&b=%F0%9F%98%80&c=;d"),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Retries": "2"}),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Timeout": "5.5"}),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Host": "API.hubapi.com"}),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Connection": "no-uuid"}),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Connection": "00000000-0000-4000-8000-000000000000"}),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Connection-Name": "default"}),
    Asked("GET", f"{ROOT}/plain", {"Patchbay-Connection-Name": "another"}),
    Asked("GET", f"{ROOT}/plain", {"Authorization": "Bearer nobody"}, is_known=False),
    Asked("GET", f"{ROOT}/plain", {"Authorization": "Basic !!!"}, is_known=False),
    Asked("GET", f"{ROOT}/plain", {"Authorization": "Digest x"}, is_known=False),
    Asked("GET", "/proxy/hbdev/paused/plain"),
    Asked("GET", "/proxy/hbdev/lapsed/plain"),
    Asked("GET", "/proxy/hbdev/twice/plain"),
    Asked("GET", "/proxy/hbdev/twice/plain", {"Patchbay-Connection-Name": "b"}),
    Asked("GET", "/proxy/hbdev/%FF/plain"),
    Asked("GET", "/proxy/hbdev/%00/plain"),
    Asked("GET", "/proxy/HBDEV/cust/plain"),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/unchanged")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/broken")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/zipped")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="paused", method="GET", url="/plain")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="twice", method="GET", url="/plain")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/oauth/v1/x")),
    Asked("POST", "/proxy/hbdev", JSON, _json(userForeignIdentifier="cust", method="GET", url="/a", odd=1)),
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
        elif path == b"/unchanged":
            talk.send(b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nContent-Length: 34\r\n\r\n')
        elif path == b"/moved":
            talk.send(reply("302 Found", b"Location: https://api.hubapi.com/plain?x=%2F"))
        elif path == b"/several":
            talk.send(reply("207 Multi-Status", b"Content-Type: application/json", body=body))
        elif path == b"/part":
            talk.send(reply("206 Partial Content", b"Content-Range: bytes 0-3/9", body=body[:4]))
        elif path == b"/failing":
            talk.send(reply("500 Internal Server Error", b"Content-Type: text/html", body=b"<h1>\xff</h1>"))
        elif path == b"/nothing":
            talk.send(reply("200 OK"))
        elif path == b"/zipped":
            talk.send(
                reply("200 OK", b"Content-Encoding: gzip", b"Vary: accept", body=gzip.compress(body, mtime=0))
            )
        elif path == b"/early":
            talk.send(b"HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n" + reply("201 Created", body=body))
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


@pytest.fixture
def others(at: World) -> None:
    """Connections that are refused, each for another reason."""
    factories.connection(at, "paused", status=Status.PAUSED, status_reason="paused_by_partner")
    factories.connection(at, "lapsed", status=Status.RECONNECT_REQUIRED, status_reason="revoked_at_provider")
    for name in ("a", "b"):
        factories.connection(at, "twice", name=name)


@pytest.mark.usefixtures("others")
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
