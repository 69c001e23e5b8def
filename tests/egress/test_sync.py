import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth2Session

from egress import resolver
from egress.errors import (
    ConnectFailed,
    ConnectTimeout,
    DestinationRefused,
    EgressError,
    InvalidRequest,
    ReplyLost,
)
from egress.sync import Limits, harden, request, session
from tests.egress.conftest import ORIGIN, Serve
from tests.egress.servers import OK, replying


def get(path: str = "/x", *, limits: Limits | None = None, **kwargs: Any) -> requests.Response:
    return request(session(limits), "GET", ORIGIN + path, **kwargs)


def test_a_mapped_origin_is_sent_the_real_host(serve: Serve) -> None:
    server = serve(replying(OK))
    response = request(session(), "POST", f"{ORIGIN}/token?a=1", data={"grant_type": "x"})
    assert (response.status_code, response.text, response.url) == (200, "ok", f"{ORIGIN}/token?a=1")
    head, _, content = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[:2] == [b"POST /token?a=1 HTTP/1.1", b"Host: api.provider.example"]
    assert b"Accept-Encoding: identity" in lines
    assert content == b"grant_type=x"


def test_a_host_header_of_the_caller_does_not_replace_the_real_one(serve: Serve) -> None:
    server = serve(replying(OK))
    get(headers={"Host": "evil.example", "Connection": "keep-alive"})
    assert b"evil" not in server.requests[0]
    assert server.requests[0].count(b"Connection:") == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "https://169.254.169.254/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://0x7f.1/",
        "http://api.provider.example/",
        "ftp://api.provider.example/",
        "no url",
    ],
)
def test_prx_36_a_request_to_a_forbidden_place_never_opens_a_socket(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DestinationRefused):
        request(session(), "GET", url)


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.5"], ["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%eth0"]],
)
def test_prx_36_one_address_that_is_not_public_refuses_the_name(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "lookup", lambda host: addresses)
    with pytest.raises(DestinationRefused):
        get()


def test_the_checked_address_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name is public when asked first and loopback ever after."""
    answers = [["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]]
    connected: list[str] = []

    def getaddrinfo(host: str, *args: object, **kwargs: object) -> list[Any]:
        assert host == "api.provider.example"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in answers.pop(0)]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(ConnectFailed):
        get()
    assert connected == ["93.184.216.34"]
    assert len(answers) == 2


def test_a_mapped_origin_may_be_loopback_and_its_neighbour_may_not(serve: Serve) -> None:
    server = serve(replying(OK))
    assert get().status_code == 200
    with pytest.raises(DestinationRefused):
        request(session(), "GET", f"https://127.0.0.1:{server.port}/")
    with pytest.raises(DestinationRefused):
        request(session(), "GET", f"http://127.0.0.1:{server.port}/")


def test_prx_14_netrc_and_environment_proxies_are_ignored(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text(
        "machine api.provider.example login n password p\ndefault login d password p\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = serve(replying(OK))
    get(headers={"Authorization": "Bearer tok"})
    get()
    assert b"Authorization: Bearer tok\r\n" in server.requests[0]
    assert b"uthorization" not in server.requests[1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("allow_redirects", [True, False])
def test_tok_23_a_redirect_is_handed_back(serve: Serve, status: int, allow_redirects: bool) -> None:
    other = serve(replying(OK), origin="https://other.example")
    server = serve(
        replying(
            b"HTTP/1.1 %d X\r\nLocation: https://other.example/token\r\nContent-Length: 0\r\n\r\n" % status
        )
    )
    response = request(
        session(), "POST", f"{ORIGIN}/token", data={"code": "c"}, allow_redirects=allow_redirects
    )
    assert response.status_code == status
    assert (len(server.requests), len(other.requests)) == (1, 0)


def test_no_cookie_is_kept_or_sent(serve: Serve) -> None:
    server = serve(replying(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"))
    opened = session()
    for _ in range(2):
        request(opened, "GET", f"{ORIGIN}/")
    assert not list(opened.cookies)
    assert b"ookie" not in server.requests[1]


def test_tls_is_verified_for_the_real_name(
    serve: Serve, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    names: list[str | None] = []
    server_tls.sni_callback = lambda sock, name, context: names.append(name)
    serve(replying(OK), ssl_context=server_tls)
    serve(replying(OK), ssl_context=server_tls, origin="https://other.example")
    opened = session(ssl_context=client_tls)
    assert request(opened, "GET", f"{ORIGIN}/").text == "ok"
    assert names == ["api.provider.example"]
    with pytest.raises(ConnectFailed) as failed:
        request(opened, "GET", "https://other.example/", verify=False)
    assert failed.value.proxy_error == "tls_certificate_error"


def test_an_unknown_authority_is_refused_whatever_the_call_says(
    serve: Serve, server_tls: ssl.SSLContext
) -> None:
    server = serve(replying(OK), ssl_context=server_tls)
    with pytest.raises(ConnectFailed):
        get(verify=False)
    assert server.requests == []


def test_a_silent_tls_handshake_ends_by_the_connect_timeout(
    serve: Serve, client_tls: ssl.SSLContext, settings: Any
) -> None:
    server = serve(lambda conversation: time.sleep(2))
    settings.UPSTREAM_MAP = {ORIGIN: f"https://127.0.0.1:{server.port}"}
    with pytest.raises(ConnectTimeout):
        request(session(Limits(connect_seconds=0.3), ssl_context=client_tls), "GET", f"{ORIGIN}/")


def test_an_oauth2_session_gets_our_errors_as_requests_errors(serve: Serve) -> None:
    serve(lambda conversation: conversation.read_request() and None)
    oauth = harden(OAuth2Session("id"), limits=Limits())
    assert isinstance(oauth, OAuth2Session)
    with pytest.raises(requests.exceptions.RequestException) as caught:
        oauth.fetch_token(f"{ORIGIN}/token", code="c", client_secret="s")
    assert isinstance(caught.value, ReplyLost)


def test_an_oauth2_session_fetches_a_token(serve: Serve) -> None:
    token = b'{"access_token": "a", "token_type": "bearer", "expires_in": 60}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    serve(replying(head % len(token) + token))
    oauth = harden(OAuth2Session("id"), limits=Limits())
    assert oauth.fetch_token(f"{ORIGIN}/token", code="c")["access_token"] == "a"


@pytest.mark.parametrize(
    "kwargs",
    [
        {"headers": {"X-A": "b\r\nX-B: c"}},
        {"headers": {"X-A": "日本"}},
        {"data": iter([b"a"])},
    ],
)
def test_what_cannot_be_sent_is_refused_before_the_request(serve: Serve, kwargs: dict[str, Any]) -> None:
    server = serve(replying(OK))
    with pytest.raises(InvalidRequest):
        request(session(), "POST", f"{ORIGIN}/", **kwargs)
    assert server.requests == []


def test_errors_name_no_path_query_or_content(serve: Serve) -> None:
    serve(lambda conversation: conversation.read_request() and None)
    with pytest.raises(EgressError) as caught:
        request(session(), "POST", f"{ORIGIN}/path-secret?query-secret", data="body-secret")
    assert "secret" not in repr(caught.value) + str(caught.value)
    assert caught.value.request is None
