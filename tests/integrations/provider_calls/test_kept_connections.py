"""Which calls of a thread share a connection to the token endpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from integrations import catalogue, provider_calls
from integrations.errors import ProviderUnavailable
from integrations.oauth.token_request import ClientAuthentication
from tests.egress.servers import Conversation, Handler, Server, replying

_BODY = b'{"access_token":"a","refresh_token":"r","expires_in":1800,"token_type":"bearer"}'
_TOKENS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY
)
_CLIENT = ClientAuthentication(client_id="id", client_secret="secret", method="client_secret_post")


@pytest.fixture
def serve(settings: Any) -> Iterator[Any]:
    servers = []

    def start(handler: Handler) -> Server:
        server = Server(handler)
        servers.append(server)
        settings.UPSTREAM_MAP = {"https://api.hubapi.com": f"http://127.0.0.1:{server.port}"}
        return server

    yield start
    for server in servers:
        server.close()


def refresh() -> str:
    response = provider_calls.refresh(
        catalogue.get("hubspot"), client=_CLIENT, refresh_token="old", values={}
    )
    return response.access_token


def test_refreshes_in_the_block_share_a_connection(serve: Any) -> None:
    server = serve(replying(_TOKENS))

    with provider_calls.kept_connections():
        assert [refresh() for _ in range(4)] == ["a"] * 4

    assert server.connections == 1


def test_refreshes_outside_have_one_each(serve: Any) -> None:
    server = serve(replying(_TOKENS))

    with provider_calls.kept_connections():
        refresh()
    refresh()
    refresh()

    assert server.connections == 3


def test_a_code_is_sent_over_a_connection_of_its_own(serve: Any) -> None:
    server = serve(replying(_TOKENS))

    with provider_calls.kept_connections():
        refresh()
        provider_calls.exchange_code(
            catalogue.get("hubspot"),
            client=_CLIENT,
            code="code",
            redirect_uri="https://connect.example.com/callback",
            code_verifier=None,
            values={},
        )

    assert server.connections == 2


def test_another_thread_shares_nothing(serve: Any) -> None:
    server = serve(replying(_TOKENS))

    with provider_calls.kept_connections():
        refresh()
        other = threading.Thread(target=refresh)
        other.start()
        other.join()

    assert server.connections == 2


def test_blocks_may_be_nested(serve: Any) -> None:
    server = serve(replying(_TOKENS))

    with provider_calls.kept_connections():
        refresh()
        with provider_calls.kept_connections():
            refresh()
        refresh()

    assert server.connections == 1


def test_ref_03_a_kept_connection_that_breaks_leaves_the_outcome_unknown(serve: Any) -> None:
    def second_breaks(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(_TOKENS)
        conversation.read_request()
        conversation.reset()

    serve(second_breaks)
    with provider_calls.kept_connections():
        refresh()
        with pytest.raises(ProviderUnavailable) as caught:
            refresh()

    assert caught.value.outcome_unknown
