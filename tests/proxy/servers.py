"""The platform served for real by uvicorn, a raw client for it, and a provider that records bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest import mock

import uvicorn

from tests.egress.servers import Conversation, Server

START_SECONDS = 60.0
Provider = Server
Talk = Conversation


@dataclass
class RawReply:
    """A reply as it came off the wire. is_whole: its framing says that nothing is missing."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    is_whole: bool = True
    raw: bytes = field(default=b"", repr=False)

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.fields if found.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


@dataclass
class Served:
    """A running platform. pid: its process, where it has one of its own."""

    port: int
    pid: int = 0

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def raw(self, request: bytes, *, method: str = "GET") -> RawReply:
        """Send bytes, read one reply."""
        with self.connect() as sock:
            sock.sendall(request)
            return read_reply(sock, method=method)

    def call(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
        body: bytes | None = None,
    ) -> RawReply:
        """One request with a Host field, the fields given, and a Content-Length when there is a body."""
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in pairs]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""), method=method)


def read_reply(sock: socket.socket, *, method: str = "GET") -> RawReply:
    """Read one reply to its end, or to where it breaks off."""
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        data = sock.recv(65536)
        if not data:
            raise ConnectionError(f"no header section, only {buffer!r}")
        buffer += data
    head, _, body = buffer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    reply = RawReply(int(first.split(" ")[1]), fields, b"", raw=head)
    if method == "HEAD" or reply.status in (204, 304):
        sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            body += sock.recv(65536)
        reply.body = body
        return reply
    if (reply.get("Transfer-Encoding") or "").lower() == "chunked":
        reply.body, reply.is_whole = _read_chunked(sock, body)
        return reply
    length = int(reply.get("Content-Length") or 0)
    while len(body) < length:
        data = _recv(sock)
        if not data:
            break
        body += data
    reply.body, reply.is_whole = body, len(body) == length
    return reply


def _recv(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionError:
        return b""


def _read_chunked(sock: socket.socket, buffer: bytes) -> tuple[bytes, bool]:
    body = b""
    while True:
        while b"\r\n" not in buffer:
            data = _recv(sock)
            if not data:
                return body, False
            buffer += data
        line, _, buffer = buffer.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        while len(buffer) < size + 2:
            data = _recv(sock)
            if not data:
                return body + buffer, False
            buffer += data
        body, buffer = body + buffer[:size], buffer[size + 2 :]
        if size == 0:
            return body, True


class _Server(uvicorn.Server):
    """Uvicorn's without its pauses of a tenth of a second, which a thousand tests would wait out."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._asked = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self._asked.wait()

    def ask_to_end(self) -> None:
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._asked.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        give_up_at = time.monotonic() + (self.config.timeout_graceful_shutdown or 0)
        while (state.connections or state.tasks) and time.monotonic() < give_up_at:
            await asyncio.sleep(0.005)
        for task in state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@contextlib.contextmanager
def served() -> Iterator[Served]:
    """Serve config.asgi on a free loopback port, on a thread and loop of its own."""
    from config.asgi import application
    from proxy.protocol import BoundedProtocol

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=BoundedProtocol,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)

    def work() -> None:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=work, name="served", daemon=True)
    # Collecting all that a test run has loaded takes longer than most tests.
    with mock.patch("proxy.entry.settle_garbage"):
        _start(server, thread)
    try:
        yield Served(listener.getsockname()[1])
    finally:
        server.ask_to_end()
        thread.join(START_SECONDS)
        listener.close()


def _start(server: uvicorn.Server, thread: threading.Thread) -> None:
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started and time.monotonic() < deadline and thread.is_alive():
        time.sleep(0.005)
    if not server.started:
        raise RuntimeError("the platform did not start")
