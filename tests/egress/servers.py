"""Servers on loopback that say exactly the bytes they are told to, and keep the bytes they were sent."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable

Handler = Callable[["Conversation"], None]


class Conversation:
    """One accepted connection, seen from the server; `number` counts the server's connections from 1."""

    def __init__(self, server: "Server", sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number
        self._buffer = b""

    def read_request(self) -> bytes:
        """Read one header section and the content that a Content-Length announces; record and return it."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(self._buffer) < length:
            self._more()
        request = head + b"\r\n\r\n" + self._buffer[:length]
        self._buffer = self._buffer[length:]
        self.server.requests.append(request)
        return request

    def read_until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        data, found, self._buffer = self._buffer.partition(end)
        return data + found

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError
        self._buffer += data

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.sock.sendall(part)

    def reset(self) -> None:
        """Close with a reset instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def wait_for_close(self) -> bool:
        """Whether the client closes within ten seconds."""
        self.sock.settimeout(10)
        try:
            while self.sock.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


class Server:
    """Runs the handler in a thread for each connection."""

    def __init__(self, handler: Handler, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.client_closed = threading.Event()
        self._handler = handler
        self._ssl_context = ssl_context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self._ssl_context is not None:
                sock = self._ssl_context.wrap_socket(sock, server_side=True)
            self._open.append(sock)
            self._handler(Conversation(self, sock, number))
        except OSError:
            pass
        finally:
            sock.close()

    def wait_until_it_closed(self) -> None:
        """Every connection from this side, after its handler has returned."""
        give_up_at = time.monotonic() + 20
        while any(sock.fileno() != -1 for sock in self._open):
            assert time.monotonic() < give_up_at, "a handler has not returned"
            time.sleep(0.005)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.close()


def replying(*parts: bytes) -> Handler:
    """Answer every request of every connection with the same bytes."""

    def handler(conversation: Conversation) -> None:
        while True:
            conversation.read_request()
            conversation.send(*parts)

    return handler


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
