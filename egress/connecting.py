"""Opens one blocking connection: look up, check, connect to what was checked, TLS with the real name."""

import socket
import ssl
import time

from egress import resolver
from egress.deadline import Deadline
from egress.errors import ConnectFailed, ConnectTimeout
from egress.tls import client_context
from egress.upstream_map import Dial


def open_socket(
    dial: Dial,
    *,
    server_name: str,
    deadline: Deadline,
    connect_seconds: float,
    ssl_context: ssl.SSLContext | None = None,
) -> socket.socket:
    """Connect within connect_seconds (and the deadline), look-up and TLS included.

    server_name is what the certificate must be for, also where the dialled host is another one.
    Raises DestinationRefused, ConnectFailed, ConnectTimeout.
    """
    ends = time.monotonic() + min(connect_seconds, _left(deadline, server_name))
    addresses = resolver.checked_addresses(
        dial.host, may_be_loopback=dial.may_be_loopback, timeout_seconds=ends - time.monotonic()
    )
    sock = _connect(addresses, dial.port, server_name=server_name, ends=ends)
    if dial.scheme != "https":
        return sock
    return _start_tls(sock, ssl_context or client_context(), server_name=server_name, ends=ends)


def _left(deadline: Deadline, server_name: str) -> float:
    try:
        return deadline.remaining()
    except TimeoutError:
        raise ConnectTimeout(f"No time left to connect to {server_name}.") from None


def _connect(addresses: list[str], port: int, *, server_name: str, ends: float) -> socket.socket:
    error: OSError | None = None
    for number, address in enumerate(addresses):
        # A share each, so that one silent address does not use up the time of the others.
        share = (ends - time.monotonic()) / (len(addresses) - number)
        if share <= 0:
            break
        try:
            sock = socket.create_connection((address, port), timeout=share)
        except OSError as failure:
            error = failure
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    if error is None or isinstance(error, TimeoutError):
        raise ConnectTimeout(f"Connecting to {server_name} took too long.")
    raise ConnectFailed(f"{server_name} could not be connected to ({type(error).__name__}).")


def _start_tls(
    sock: socket.socket, context: ssl.SSLContext, *, server_name: str, ends: float
) -> ssl.SSLSocket:
    try:
        sock.settimeout(max(ends - time.monotonic(), 0.001))
        return context.wrap_socket(sock, server_hostname=server_name)
    except TimeoutError:
        sock.close()
        raise ConnectTimeout(f"The TLS handshake with {server_name} took too long.") from None
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise ConnectFailed(
            f"The certificate of {server_name} is not valid: {error.verify_message}.",
            proxy_error="tls_certificate_error",
        ) from None
    except OSError:
        sock.close()
        raise ConnectFailed(
            f"The TLS handshake with {server_name} failed.", proxy_error="tls_protocol_error"
        ) from None
