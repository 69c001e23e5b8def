"""Byte for byte, both ways, through a served platform."""

from __future__ import annotations

import contextlib
import gzip
import json
from typing import Any

import pytest

from tests.egress.servers import Conversation, replying
from tests.factories import World
from tests.proxy.calls import bearer, body_of, head_of, problem, reply
from tests.proxy.conftest import TOKEN, Serve
from tests.proxy.servers import Served, read_reply

pytestmark = [pytest.mark.served, pytest.mark.usefixtures("cust")]
ROOT = "/proxy/hbdev/cust"


@pytest.mark.parametrize(
    "target",
    [
        "/queues/%2F/a%2Fb/c%20d",
        "/crm?ids=1&mode=x&ids=2&empty=&flag&p=a/b&q=a%2Fb&s=a+b&t=%7E~",
        "/files/a%2eb?path=/x/y&u=http://h/p",
        "//double//slash;x=1/",
        '/odd"<>^`{|}?"<>^`{|}\\',
        "/https://evil.example/x",
        "/%252e%252e/%00",
        "/crm??a=1&?",
        "/crm/" + "x" * 9_000,
    ],
)
def test_prx_07_08_09_11_the_target_arrives_as_it_was_sent(
    platform: Served, at: World, provider: Serve, target: str
) -> None:
    upstream = provider(replying(reply()))
    for _ in ("cold", "hot"):
        assert platform.call("GET", ROOT + target, bearer(at)).status == 200
        assert head_of(upstream.requests[-1])[:2] == [
            f"GET {target} HTTP/1.1".encode(),
            b"Host: api.hubapi.com",
        ]


def test_prx_08_a_bare_question_mark_is_all_that_is_lost(
    platform: Served, at: World, provider: Serve
) -> None:
    upstream = provider(replying(reply()))
    platform.call("GET", f"{ROOT}/crm?", bearer(at))
    assert head_of(upstream.requests[-1])[0] == b"GET /crm HTTP/1.1"


@pytest.mark.parametrize("target", ["/crm/é", "/crm?q=日"])
def test_a_target_that_is_not_ascii_gets_400(
    platform: Served, at: World, provider: Serve, target: str
) -> None:
    upstream = provider(replying(reply()))
    encoded = (ROOT + target).encode().decode("latin-1")
    assert platform.call("GET", encoded, bearer(at)).status == 400
    assert upstream.requests == []


def test_an_absolute_form_target_is_the_path_in_it(platform: Served, at: World, provider: Serve) -> None:
    upstream = provider(replying(reply()))
    platform.call("GET", f"http://localhost{ROOT}/crm%2F?a=1", bearer(at))
    assert head_of(upstream.requests[-1])[0] == b"GET /crm%2F?a=1 HTTP/1.1"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_arrives_with_its_content(
    platform: Served, at: World, provider: Serve, method: str
) -> None:
    upstream = provider(replying(reply(body=b"" if method == "HEAD" else b"ok")))
    body = bytes(range(256)) * 4
    got = platform.call(method, f"{ROOT}/x", {**bearer(at), "Content-Type": "application/x-odd"}, body)
    assert got.status == 200
    arrived = upstream.requests[-1]
    assert arrived.startswith(f"{method} /x HTTP/1.1\r\n".encode())
    assert body_of(arrived) == body
    assert b"Content-Length: 1024" in head_of(arrived)
    assert b"content-type: application/x-odd" in head_of(arrived)


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "PURGE"])
def test_other_methods_are_not_allowed(platform: Served, at: World, provider: Serve, method: str) -> None:
    upstream = provider(replying(reply()))
    got = platform.call(method, f"{ROOT}/x", bearer(at))
    assert (got.status, problem(got.body)["code"]) == (405, "method_not_allowed")
    assert "PATCH" in (got.get("Allow") or "")
    assert upstream.requests == []


def test_a_chunked_body_arrives_chunked_and_whole(platform: Served, at: World, provider: Serve) -> None:
    seen: list[bytes] = []

    def handler(talk: Conversation) -> None:
        head = talk.read_until(b"\r\n\r\n")
        content = talk.read_until(b"0\r\n\r\n")
        seen.append(head + content)
        talk.send(reply())

    provider(handler)
    request = (
        f"POST {ROOT}/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n4;ext=1\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n"
    ).encode()
    assert platform.raw(request).status == 200
    head, _, content = seen[0].partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert content.replace(b"\r\n", b"").replace(b"4abcd3efg", b"abcdefg").replace(
        b"7abcdefg", b"abcdefg"
    ) == (b"abcdefg0")


def test_prx_12_13_only_the_providers_credential_arrives(
    platform: Served, at: World, provider: Serve
) -> None:
    upstream = provider(replying(reply()))
    platform.call(
        "GET",
        f"{ROOT}/x?a=1&hapikey={at.api_key}&b=2",
        {
            **bearer(at),
            "Cookie": "s=1",
            "X-Api-Key": "K",
            "X-Custom": "ok",
            "X-Forwarded-For": "10.0.0.5",
            "X-Real-IP": "10.0.0.5",
            "CF-Ray": "1",
            "Forwarded": "for=10.0.0.5",
            "Via": "1.1 lb",
            "Patchbay-Timeout": "20",
            "Accept-Encoding": "br",
            "User-Agent": "sdk/1",
        },
    )
    assert head_of(upstream.requests[-1]) == [
        b"GET /x?a=1&b=2 HTTP/1.1",
        b"Host: api.hubapi.com",
        b"x-api-key: K",
        b"x-custom: ok",
        b"accept-encoding: br",
        b"user-agent: sdk/1",
        b"authorization: Bearer " + TOKEN.encode(),
    ]


def test_prx_03_hop_by_hop_fields_reach_neither_side(platform: Served, at: World, provider: Serve) -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\nConnection: X-Up\r\nX-Up: 1\r\nKeep-Alive: timeout=5\r\nX-Ok: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    upstream = provider(replying(raw))
    got = platform.call(
        "GET",
        f"{ROOT}/x",
        {
            **bearer(at),
            "Connection": "keep-alive, X-Secret-Hop",
            "X-Secret-Hop": "1",
            "TE": "trailers",
            "Proxy-Authorization": "Basic x",
            "Upgrade": "h2c",
        },
    )
    names = {line.partition(b":")[0].lower() for line in head_of(upstream.requests[-1])[1:]}
    assert names == {b"host", b"authorization"}
    assert (got.body, got.is_whole) == (b"abc", True)
    assert {name for name, _ in got.fields} == {
        "x-ok", "transfer-encoding", "via", "proxy-status", "patchbay-request-id",
    }  # fmt: skip


@pytest.mark.parametrize("accept", ["gzip", "identity"])
def test_prx_01_compressed_content_passes_as_it_is(
    platform: Served, at: World, provider: Serve, accept: str
) -> None:
    content = gzip.compress(bytes(range(256)) * 800)
    upstream = provider(replying(reply("200 OK", b"Content-Encoding: gzip", body=content)))
    got = platform.call("GET", f"{ROOT}/x", {**bearer(at), "Accept-Encoding": accept})
    assert f"accept-encoding: {accept}".encode() in head_of(upstream.requests[-1])
    assert (got.body, got.get("Content-Encoding"), got.get("Content-Length")) == (
        content, "gzip", str(len(content)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "status", ["207 Multi-Status", "400 Bad", "404 Not Found", "422 X", "500 Oops", "599 X"]
)
def test_prx_02_an_error_comes_back_with_its_own_bytes_and_length(
    platform: Served, at: World, provider: Serve, status: str
) -> None:
    content = b'{ "status" : "error" ,\n "x": 1.0 }'
    provider(replying(reply(status, b"Content-Type: application/json", body=content)))
    got = platform.call("POST", f"{ROOT}/x", bearer(at), b"{}")
    assert (got.status, got.body, got.get("Content-Length")) == (int(status[:3]), content, str(len(content)))


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_replies_without_content_stay_so(platform: Served, at: World, provider: Serve, status: str) -> None:
    provider(replying(f'HTTP/1.1 {status}\r\nETag: "a"\r\n\r\n'.encode()))
    for _ in ("cold", "hot"):
        got = platform.call("GET", f"{ROOT}/x", bearer(at))
        assert (got.status, got.body, got.get("ETag")) == (int(status[:3]), b"", '"a"')
        assert got.get("Transfer-Encoding") is None


def test_prx_04_head_has_no_body_and_keeps_the_length(platform: Served, at: World, provider: Serve) -> None:
    def handler(talk: Conversation) -> None:
        while True:
            if talk.read_request().startswith(b"HEAD"):
                talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n0123456789")
            else:
                talk.send(reply(body=b"right"))

    provider(handler)
    got = platform.call("HEAD", f"{ROOT}/x", bearer(at))
    assert (got.status, got.get("Content-Length"), got.body) == (200, "1234", b"")
    assert platform.call("GET", f"{ROOT}/x", bearer(at)).body == b"right"


def test_prx_16_repeated_fields_stay_apart_and_cookies_do_not_come(
    platform: Served, at: World, provider: Serve
) -> None:
    provider(
        replying(
            reply(
                "200 OK", b"Set-Cookie: a=1", b"Link: <a>", b"Set-Cookie: b=2", b"Link: <b>",
                b"WWW-Authenticate: Basic", b"WWW-Authenticate: Bearer",
            )
        )
    )  # fmt: skip
    got = platform.call("GET", f"{ROOT}/x", bearer(at))
    assert got.all("Set-Cookie") == []
    assert got.all("Link") == ["<a>", "<b>"]
    assert got.all("WWW-Authenticate") == ["Basic", "Bearer"]


def test_repeated_request_fields_arrive_in_order(platform: Served, at: World, provider: Serve) -> None:
    upstream = provider(replying(reply()))
    platform.call("GET", f"{ROOT}/x", [*bearer(at).items(), ("X-A", "1"), ("X-B", "2"), ("X-A", "3")])
    assert head_of(upstream.requests[-1])[2:5] == [b"x-a: 1", b"x-b: 2", b"x-a: 3"]


def test_prx_25_bytes_beyond_ascii_come_back_and_do_not_go_out(
    platform: Served, at: World, provider: Serve
) -> None:
    names = ("é.pdf".encode(), "é.pdf".encode("latin-1"))
    for name in names:
        upstream = provider(replying(reply("200 OK", b"Content-Disposition: attachment; filename=" + name)))
        got = platform.call("GET", f"{ROOT}/x", bearer(at))
        assert got.get("Content-Disposition") == "attachment; filename=" + name.decode("latin-1")
    before = len(upstream.requests)
    got = platform.call("GET", f"{ROOT}/x", {**bearer(at), "X-Note": "日本".encode().decode("latin-1")})
    assert (got.status, problem(got.body)["field"]) == (400, "X-Note")
    assert len(upstream.requests) == before


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Transfer-Encoding: gzip, chunked, gzip",
    ],
)
def test_prx_34_ambiguous_framing_gets_400_and_goes_nowhere(
    platform: Served, at: World, provider: Serve, framing: str
) -> None:
    upstream = provider(replying(reply()))
    request = f"POST {ROOT}/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n{framing}\r\n\r\n"
    assert platform.raw(request.encode() + b"5\r\nhello\r\n0\r\n\r\n").status == 400
    assert upstream.requests == []


@pytest.mark.parametrize("target", [f"{ROOT}/x", "/proxy/hbdev", "/oauth/token"])
@pytest.mark.parametrize("framing", ["Content-Length: 40", "Transfer-Encoding: chunked"])
def test_prx_34_content_after_an_upgrade_is_neither_lost_nor_a_request(
    platform: Served, at: World, provider: Serve, target: str, framing: str
) -> None:
    upstream = provider(replying(reply()))
    content = f"GET {ROOT}/y HTTP/1.1\r\nAuthorization: Bearer {at.api_key}\r\n\r\n"
    request = (
        f"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
        f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n{framing}\r\n\r\n"
    )
    with platform.connect() as sock:
        sock.sendall(request.encode())
        got = read_reply(sock)
        assert (got.status, problem(got.body)["field"]) == (400, "Upgrade")
        with contextlib.suppress(ConnectionError):
            sock.sendall(content.encode())
            assert sock.recv(65536) == b""
    assert upstream.requests == []


def test_an_upgrade_without_content_is_not_made(platform: Served, at: World, provider: Serve) -> None:
    provider(replying(reply(body=b"ok")))
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}
    assert platform.call("GET", f"{ROOT}/x", {**bearer(at), **upgrade}).body == b"ok"


def test_redirects_are_handed_back(platform: Served, at: World, provider: Serve) -> None:
    upstream = provider(replying(reply("302 Found", b"Location: https://evil.example/x")))
    got = platform.call("GET", f"{ROOT}/x", bearer(at))
    assert (got.status, got.get("Location")) == (302, "https://evil.example/x")
    assert len(upstream.requests) == 1


def test_prx_12_the_customers_token_in_a_reply_header_does_not_come_back(
    platform: Served, at: World, provider: Serve
) -> None:
    provider(replying(reply("302 Found", b"Location: /x?access_token=" + TOKEN.encode())))
    got = platform.call("GET", f"{ROOT}/x", bearer(at))
    assert (got.status, got.get("Location")) == (302, "/x?access_token=[removed]")


def test_prx_29_a_429_comes_back_at_once_with_its_timing(
    platform: Served, at: World, provider: Serve, settings: Any
) -> None:
    settings.PROVIDER_BUDGETS = False  # else the second call is answered by us
    upstream = provider(
        replying(reply("429 Too Many", b"Retry-After: 120", b"X-HubSpot-RateLimit-Remaining: 0", body=b"{}"))
    )
    for headers in ({}, {"Patchbay-Retries": "3", "Patchbay-Timeout": "20"}):
        got = platform.call("GET", f"{ROOT}/x", {**bearer(at), **headers})
        assert (got.status, got.get("Retry-After"), got.get("X-HubSpot-RateLimit-Remaining")) == (
            429,
            "120",
            "0",
        )
    assert len(upstream.requests) == 2


def test_prx_14_no_other_credential_of_this_machine_is_used(
    platform: Served, at: World, provider: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    from pathlib import Path

    netrc = Path(str(tmp_path)) / ".netrc"
    netrc.write_text("machine api.hubapi.com login u password p\ndefault login d password p\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    upstream = provider(replying(reply()))
    assert platform.call("GET", f"{ROOT}/x", bearer(at)).status == 200
    assert head_of(upstream.requests[-1])[-1] == b"authorization: Bearer " + TOKEN.encode()


def test_prx_23_an_envelope_has_one_documented_limit(
    platform: Served, at: World, provider: Serve, settings: object
) -> None:
    upstream = provider(replying(reply()))
    head = {**bearer(at), "Content-Type": "application/json"}
    members = {"userForeignIdentifier": "cust", "method": "POST", "url": "/x", "body": ""}

    def envelope(size: int) -> bytes:
        empty = len(json.dumps(members))
        return json.dumps({**members, "body": "x" * (size - empty)}).encode()

    for size in (2_600_000, 9_999_999, 10_000_000):
        assert platform.call("POST", "/proxy/hbdev", head, envelope(size)).status == 200
    assert len(upstream.requests) == 3
    got = platform.call("POST", "/proxy/hbdev", head, envelope(10_000_001))
    assert (got.status, problem(got.body)["code"]) == (413, "content_too_large")
    assert "10,000,000" in problem(got.body)["detail"]
    assert "/proxy/{appSlug}/{userForeignIdentifier}" in problem(got.body)["detail"]
    assert len(upstream.requests) == 3
