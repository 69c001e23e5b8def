import asyncio
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from egress import resolver
from egress.aio import AsyncClient, Timeouts
from egress.errors import (
    ConnectFailed,
    ConnectTimeout,
    DestinationRefused,
)
from egress.urls import parse_url
from tests.egress.calls import SHORT, call, fetch
from tests.egress.conftest import ORIGIN, Serve
from tests.egress.servers import OK, Conversation, replying


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://10.0.0.5/",
        "http://api.provider.example/",
        "http://8.8.8.8/",
    ],
)
async def test_prx_36_a_literal_that_is_not_public_is_refused(
    serve: Serve, client: AsyncClient, url: str
) -> None:
    with pytest.raises(DestinationRefused):
        await client.stream("GET", parse_url(url, schemes=("http", "https")), headers=[])


@pytest.mark.parametrize("addresses", [["10.0.0.5"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
async def test_prx_36_a_name_with_an_address_that_is_not_public_is_refused(
    serve: Serve, client: AsyncClient, addresses: list[str], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.UPSTREAM_MAP = {}
    monkeypatch.setattr(resolver, "lookup", lambda host: addresses)
    with pytest.raises(DestinationRefused):
        await call(client)


async def test_the_checked_address_is_the_one_connected_to(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """DNS rebinding: the name is public when asked first and loopback ever after."""
    settings.UPSTREAM_MAP = {}
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    connected: list[str] = []

    async def connect(self: object, sock: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(resolver, "lookup", lambda host: answers.pop(0))
    monkeypatch.setattr(type(asyncio.get_running_loop()), "sock_connect", connect)
    with pytest.raises(ConnectFailed):
        await call(client)
    assert connected == ["93.184.216.34"]
    assert answers == [["127.0.0.1"]]


async def test_a_real_origin_never_gets_a_connection_of_a_mapped_one(
    serve: Serve, client: AsyncClient
) -> None:
    server = serve(replying(OK))
    assert await fetch(client) == b"ok"
    for url in (f"http://127.0.0.1:{server.port}/", f"https://127.0.0.1:{server.port}/"):
        with pytest.raises(DestinationRefused):
            await client.stream("GET", parse_url(url, schemes=("http", "https")), headers=[])
    assert len(server.requests) == 1


async def test_an_origin_is_no_longer_loopback_when_the_map_is_gone(
    serve: Serve, client: AsyncClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(replying(OK))
    assert await fetch(client) == b"ok"
    settings.UPSTREAM_MAP = {}
    monkeypatch.setattr(resolver, "lookup", lambda host: ["127.0.0.1"])
    with pytest.raises(DestinationRefused):
        await fetch(client)


async def test_prx_14_netrc_and_environment_proxies_are_ignored(
    serve: Serve, client: AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("default login d password p\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = serve(replying(OK))
    await fetch(client, headers=[("Authorization", "Bearer tok")])
    assert b"Authorization: Bearer tok\r\n" in server.requests[0]
    assert server.requests[0].count(b"uthorization") == 1


async def test_tls_is_verified_for_the_real_name(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    names: list[str | None] = []
    server_tls.sni_callback = lambda sock, name, context: names.append(name)
    server = serve(replying(OK), ssl_context=server_tls)
    serve(replying(OK), ssl_context=server_tls, origin="https://other.example")
    async with AsyncClient(ssl_context=client_tls) as client:
        assert await fetch(client) == b"ok"
        assert await fetch(client) == b"ok"
        assert names == ["api.provider.example"]
        assert server.connections == 1
        with pytest.raises(ConnectFailed) as failed:
            await client.stream("GET", parse_url("https://other.example/"), headers=[])
    assert failed.value.proxy_error == "tls_certificate_error"


async def test_a_silent_tls_handshake_ends_by_the_connect_timeout(
    serve: Serve, client: AsyncClient, settings: Any
) -> None:
    server = serve(lambda conversation: time.sleep(1))
    settings.UPSTREAM_MAP = {ORIGIN: f"https://127.0.0.1:{server.port}"}
    with pytest.raises(ConnectTimeout):
        await call(client, timeouts=SHORT)


async def test_nothing_was_sent_when_nobody_listens(serve: Serve, client: AsyncClient) -> None:
    serve(replying(OK)).close()
    with pytest.raises(ConnectFailed):
        await fetch(client, "POST")


async def test_many_calls_at_once_get_their_own_answers(serve: Serve, client: AsyncClient) -> None:
    def handler(conversation: Conversation) -> None:
        while True:
            path = conversation.read_request().split(b" ")[1]
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    serve(handler)
    answers = await asyncio.gather(
        *(fetch(client, path=f"/{number}", timeouts=Timeouts()) for number in range(50))
    )
    assert answers == [f"/{number}".encode() for number in range(50)]
