"""The client for requests and requests-oauthlib: token calls, revocations, account look-ups, webhooks out.

Made for short exchanges with small replies. One connection for each unless the session keeps connections, one
deadline over name look-up, connecting, TLS, sending and reading; the whole content is in memory, and within its
limit, before anybody sees the reply. Never follows a redirect, never keeps a cookie, never repeats a request.
"""

import http.client
import io
import socket
import ssl
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from egress import connecting, content, upstream_map
from egress.deadline import Deadline, DeadlineSocket
from egress.errors import EgressError, InvalidReply, InvalidRequest, InvalidUrl, ReplyAborted, ReplyLost
from egress.kept import KeptConnections
from egress.urls import DEFAULT_PORTS, Target, parse_url

USER_AGENT = "Patchbay"
SessionT = TypeVar("SessionT", bound=requests.Session)


@dataclass(frozen=True, slots=True)
class Limits:
    """Connecting, the whole exchange, and the content of the reply after decoding."""

    connect_seconds: float = 5
    total_seconds: float = 15
    max_content_bytes: int = 1_048_576


def session(limits: Limits | None = None, *, ssl_context: ssl.SSLContext | None = None) -> requests.Session:
    """A new session with the rules of this package."""
    return harden(requests.Session(), limits=limits or Limits(), ssl_context=ssl_context)


def harden(
    session: SessionT,
    *,
    limits: Limits,
    ssl_context: ssl.SSLContext | None = None,
    keeps_connections: bool = False,
) -> SessionT:
    """Give a session (also an OAuth2Session) the transport and the rules of this package; returns it.

    keeps_connections is for one thread that makes many calls in a row; see `kept`. Close such a session.
    `timeout`, `stream`, `verify`, `cert` and `proxies` of single calls have no effect: the limits decide,
    and certificates are always verified.
    """
    kept = KeptConnections() if keeps_connections else None
    adapter = Adapter(limits, ssl_context=ssl_context, kept=kept)
    session.adapters.clear()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.pop("Connection", None)
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": USER_AGENT})
    # Whatever the call says about redirects, there is no next location.
    session.__dict__["get_redirect_target"] = _no_redirect
    return session


def request(session: requests.Session, method: str, url: str, **kwargs: Any) -> requests.Response:
    """session.request that raises nothing but EgressError.

    What requests itself refuses before sending (a bad URL, a header with a line break) is
    InvalidRequest. Errors of requests-oauthlib and oauthlib pass.
    """
    try:
        return session.request(method, url, **kwargs)
    except EgressError:
        raise
    except requests.exceptions.RequestException as error:
        raise InvalidRequest(f"The request could not be built ({type(error).__name__}).") from None


def _no_redirect(response: requests.Response) -> None:
    return None


class Adapter(BaseAdapter):
    """Sends one prepared request, over a connection of its own unless it keeps some. Raises EgressError only."""

    def __init__(
        self,
        limits: Limits,
        *,
        ssl_context: ssl.SSLContext | None = None,
        kept: KeptConnections | None = None,
    ) -> None:
        super().__init__()
        self._limits = limits
        self._ssl_context = ssl_context
        self._kept = kept

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        """Send and read the whole reply; what requests passes on (time-out, verify, proxies) is ignored."""
        deadline = Deadline(self._limits.total_seconds)
        target = parse_url(request.url or "", schemes=tuple(DEFAULT_PORTS))
        dial = upstream_map.resolve(target)
        if target.scheme != "https" and not dial.may_be_loopback:
            raise InvalidUrl("The URL's scheme must be https.")
        sock = self._connected(dial, target, deadline)
        wire = DeadlineSocket(sock, deadline)
        is_kept = False
        try:
            reply, response = self._exchange(request, target, wire)
            is_kept = self._kept is not None and _is_at_rest(request, reply, wire)
        finally:
            if not is_kept:
                sock.close()
        if self._kept is not None and is_kept:
            self._kept.give((dial, target.host), sock)
        return response

    def close(self) -> None:
        """Close what is kept."""
        if self._kept is not None:
            self._kept.close()

    def _connected(self, dial: upstream_map.Dial, target: Target, deadline: Deadline) -> socket.socket:
        kept = None if self._kept is None else self._kept.take((dial, target.host))
        return kept or connecting.open_socket(
            dial,
            server_name=target.host,
            deadline=deadline,
            connect_seconds=self._limits.connect_seconds,
            ssl_context=self._ssl_context,
        )

    def _exchange(
        self, request: requests.PreparedRequest, target: Target, sock: DeadlineSocket
    ) -> tuple[http.client.HTTPResponse, requests.Response]:
        connection = http.client.HTTPConnection(target.host)
        connection.sock = sock  # the part of a socket that http.client uses
        reply = None
        try:
            _write_request(connection, request, target, is_last=self._kept is None)
            reply = connection.getresponse()
            body = content.read(reply, max_content_bytes=self._limits.max_content_bytes)
        except EgressError:
            raise
        except TimeoutError:
            error = ReplyAborted if reply is not None else ReplyLost
            raise error(f"{target.host} took too long to answer.", timed_out=True) from None
        except (http.client.IncompleteRead, OSError) as error:
            lost = ReplyAborted if reply is not None else ReplyLost
            raise lost(f"{target.host} broke the connection off ({type(error).__name__}).") from None
        except (http.client.HTTPException, ValueError) as error:
            raise InvalidReply(f"{target.host} did not answer in HTTP ({type(error).__name__}).") from None
        return reply, _response(request, reply, body)


def _is_at_rest(
    request: requests.PreparedRequest, reply: http.client.HTTPResponse, wire: DeadlineSocket
) -> bool:
    """Whether the connection may serve again: a success with content, read to its end, and nothing behind it.

    After a reply that must have no content, or a refusal, some servers send what the next reply is mistaken for.
    """
    has_content = request.method != "HEAD" and reply.status in (200, 201, 202)
    return has_content and not reply.will_close and wire.is_at_end_of_reply


def _write_request(
    connection: http.client.HTTPConnection,
    request: requests.PreparedRequest,
    target: Target,
    *,
    is_last: bool,
) -> None:
    body = request.body.encode() if isinstance(request.body, str) else request.body
    if body is not None and not isinstance(body, bytes):
        raise InvalidRequest("The content must be bytes or text.")
    try:
        connection.putrequest(
            request.method or "GET", target.raw_target, skip_host=True, skip_accept_encoding=True
        )
        connection.putheader("Host", target.authority)
        for name, value in request.headers.items():
            if name.lower() not in ("host", "connection"):
                connection.putheader(name, value)
        if is_last:
            connection.putheader("Connection", "close")
    except ValueError:
        raise InvalidRequest("The method or a header field cannot be sent.") from None
    connection.endheaders(body)


def _response(
    request: requests.PreparedRequest, reply: http.client.HTTPResponse, body: bytes
) -> requests.Response:
    response = requests.Response()
    response.status_code = reply.status
    response.reason = reply.reason
    response.headers = _joined(reply.msg)
    response.encoding = get_encoding_from_headers(response.headers)
    response.url = request.url or ""
    response.request = request
    response.raw = io.BytesIO(body)
    response._content = body
    response._content_consumed = True  # type: ignore[attr-defined]
    return response


def _joined(fields: Message) -> CaseInsensitiveDict[str]:
    """Repeated fields become one, joined by commas (RFC 9110 section 5.2)."""
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name, value in fields.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
