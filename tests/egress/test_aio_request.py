import pytest

from egress.aio import AsyncClient
from egress.errors import (
    InvalidRequest,
)
from tests.egress.calls import call, fetch, pieces
from tests.egress.conftest import Serve
from tests.egress.servers import OK, Conversation, replying


async def test_the_request_is_what_the_caller_gave_and_nothing_else(
    serve: Serve, client: AsyncClient
) -> None:
    server = serve(replying(OK))
    headers: list[tuple[bytes | str, bytes | str]] = [
        (b"x-B", b"1"),
        ("Authorization", "Bearer tok"),
        (b"X-a", b"2"),
        (b"x-B", b"3"),
        (b"X-Utf8", "é".encode()),
        (b"X-Latin1", "é".encode("latin-1")),
        (b"X-Empty", b""),
    ]
    assert await fetch(client, headers=headers) == b"ok"
    assert server.requests[0] == (
        b"GET /x HTTP/1.1\r\nHost: api.provider.example\r\nx-B: 1\r\nAuthorization: Bearer tok\r\nX-a: 2\r\n"
        b"x-B: 3\r\nX-Utf8: \xc3\xa9\r\nX-Latin1: \xe9\r\nX-Empty: \r\n\r\n"
    )


@pytest.mark.parametrize(
    "raw_target",
    [
        "/queues/%2F/a%2Fb/c%20d",
        "/x?ids=1&mode=x&ids=2&empty=&flag&p=a/b&q=a%2Fb&s=a+b&t=%7E~",
        "/files/a%2eb?path=/x/y&u=http://h/p",
        "//double//?a\\b|^`{}",
        "/%zz",
    ],
)
async def test_prx_07_08_09_the_request_target_is_sent_byte_for_byte(
    serve: Serve, client: AsyncClient, raw_target: str
) -> None:
    server = serve(replying(OK))
    await fetch(client, path=raw_target)
    assert server.requests[0].split(b"\r\n")[0] == f"GET {raw_target} HTTP/1.1".encode()


async def test_framing_and_hop_by_hop_fields_of_the_caller_are_left_out(
    serve: Serve, client: AsyncClient
) -> None:
    server = serve(replying(OK))
    headers = [
        (b"Host", b"evil.example"),
        (b"content-length", b"99"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Expect", b"100-continue"),
        (b"Connection", b"close"),
        (b"Upgrade", b"h2c"),
        (b"TE", b"trailers"),
    ]
    await fetch(client, "POST", headers=headers, body=b"abc")
    assert server.requests[0] == (
        b"POST /x HTTP/1.1\r\nHost: api.provider.example\r\nContent-Length: 3\r\n\r\nabc"
    )


@pytest.mark.parametrize(
    ("method", "body", "length", "expected"),
    [
        ("GET", None, None, b""),
        ("DELETE", None, None, b""),
        ("DELETE", None, 0, b"Content-Length: 0\r\n"),
        ("POST", None, None, b"Content-Length: 0\r\n"),
        ("PATCH", b"", None, b"Content-Length: 0\r\n"),
        ("GET", b"q", 1, b"Content-Length: 1\r\n"),
    ],
)
async def test_content_at_hand_has_a_length(
    serve: Serve, client: AsyncClient, method: str, body: bytes | None, length: int | None, expected: bytes
) -> None:
    server = serve(replying(OK))
    await fetch(client, method, body=body, content_length=length)
    start = b"%b /x HTTP/1.1\r\nHost: api.provider.example\r\n" % method.encode()
    assert server.requests[0] == start + expected + b"\r\n" + (body or b"")


async def test_a_stream_of_known_length_is_sent_with_it(serve: Serve, client: AsyncClient) -> None:
    server = serve(replying(OK))
    assert await fetch(client, "PUT", body=pieces(b"ab", b"", b"cde"), content_length=5) == b"ok"
    assert server.requests[0].endswith(b"\r\nContent-Length: 5\r\n\r\nabcde")


async def test_a_stream_of_unknown_length_is_sent_chunked(serve: Serve, client: AsyncClient) -> None:
    seen: list[bytes] = []

    def handler(conversation: Conversation) -> None:
        for _ in range(2):
            seen.append(conversation.read_until(b"0\r\n\r\n"))
            conversation.send(OK)

    server = serve(handler)
    assert await fetch(client, "POST", body=pieces(b"a" * 17, b"", b"cde")) == b"ok"
    assert await fetch(client, "POST", body=pieces()) == b"ok"
    assert seen[0].endswith(
        b"\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n" + b"a" * 17 + b"\r\n3\r\ncde\r\n0\r\n\r\n"
    )
    assert server.connections == 1


@pytest.mark.parametrize(
    "header",
    [
        (b"X-Note", b"a\r\nX-B: c"),
        (b"X-Note", b"a\nb"),
        (b"X-Note", b"a\rb"),
        (b"X-Note", b"a\0b"),
        ("X-Note", "日本"),
        ("X-Note", "a\r\nb"),
    ],
)
async def test_prx_25_a_value_that_cannot_be_sent_is_refused_by_name(
    serve: Serve, client: AsyncClient, header: tuple[bytes | str, bytes | str]
) -> None:
    server = serve(replying(OK))
    with pytest.raises(InvalidRequest, match="X-Note"):
        await call(client, headers=[header])
    assert server.connections == 0


@pytest.mark.parametrize("name", [b"", b"X Y", b"X:", b"X\r\n", "é", b"\xe9", b"X-A: b\r\nX"])
async def test_a_field_name_that_is_no_token_is_refused(
    serve: Serve, client: AsyncClient, name: bytes | str
) -> None:
    with pytest.raises(InvalidRequest):
        await call(client, headers=[(name, b"x")])


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "GET /", "G\r\n", ""])
async def test_other_methods_are_refused(serve: Serve, client: AsyncClient, method: str) -> None:
    with pytest.raises(InvalidRequest):
        await call(client, method)
