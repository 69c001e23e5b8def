"""A provider that keeps the bytes as they came off the wire and answers with exactly those it is given."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

Writer = asyncio.StreamWriter
Reader = asyncio.StreamReader


@dataclass(frozen=True)
class Arrived:
    """One request. `head` ends with its empty line; `wire` is the content with its framing."""

    head: bytes
    wire: bytes
    content: bytes

    @property
    def lines(self) -> list[bytes]:
        return self.head[:-4].split(b"\r\n")


@dataclass(frozen=True)
class Answer:
    """Bytes to send, piece by piece. is_early: as soon as the request's header section is there.

    end: what happens afterwards: "open" for the next request, "close", or "reset" (of a connection that may
    still have bytes on the way).
    """

    pieces: Sequence[bytes]
    is_early: bool = False
    end: str = "open"


Answering = Callable[[bytes], Answer]


@dataclass(repr=False)
class Upstream:
    """A running provider. `answer` is asked with each request's header section; `conversation` replaces all."""

    port: int = 0
    requests: list[Arrived] = field(default_factory=list)
    answer: Answering = lambda head: Answer([b"HTTP/1.1 204 No Content\r\n\r\n"])
    conversation: Callable[[Reader, Writer], Awaitable[None]] | None = None
    opened: int = 0
    closed: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def answers(self, *pieces: bytes, is_early: bool = False, end: str = "open") -> None:
        """Every request from now on gets these bytes."""
        answer = Answer(pieces, is_early, end)
        self.answer = lambda head: answer

    def wait(self, condition: Callable[[], bool], *, seconds: float = 10.0) -> bool:
        """Wait for a change after which the condition holds."""
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    def tell(self) -> None:
        with self.changed:
            self.changed.notify_all()

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.opened += 1
        self.tell()
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.conversation is not None:
                await self.conversation(reader, writer)
            else:
                while await self._one(reader, writer):
                    pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.closed += 1
            self.tell()

    async def _one(self, reader: Reader, writer: Writer) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        answer = self.answer(head)
        if not answer.is_early:
            await self._take(reader, head)
        for piece in answer.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if answer.end == "reset":
            linger(writer)
            writer.transport.abort()
        elif answer.is_early and answer.end == "open":
            await self._take(reader, head)
        return answer.end == "open"

    async def _take(self, reader: Reader, head: bytes) -> None:
        wire, content = await read_content(reader, head)
        self.requests.append(Arrived(head, wire, content))
        self.tell()


def linger(writer: Writer) -> None:
    """Closing this connection shall reset it."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def read_content(reader: Reader, head: bytes) -> tuple[bytes, bytes]:
    """(bytes on the wire, content) by the framing that the header section tells."""
    framing = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if framing.get(b"transfer-encoding") != b"chunked":
        content = await reader.readexactly(int(framing.get(b"content-length", b"0")))
        return content, content
    wire, content = b"", b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line, 16)
        piece = await reader.readexactly(size + 2)
        assert piece.endswith(b"\r\n")
        wire += line + piece
        content += piece[:-2]
        if size == 0:
            return wire, content


@contextlib.contextmanager
def running() -> Iterator[Upstream]:
    """An Upstream on a free loopback port, on a thread and loop of its own."""
    upstream = Upstream()
    loop = asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(upstream.serve, "127.0.0.1", 0)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_forever, name="upstream", daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
