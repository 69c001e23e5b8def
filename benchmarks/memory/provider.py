"""`python -m benchmarks.memory.provider`: a provider of streams; prints its port.

GET /down/{bytes}[/{bytes a second}] sends a content without a length, PUT /up[/{bytes a second}] takes one and
tells its length, both at a pace where one is given.
GET /state is for the measurement: {"open": connections beside its own, "sent": bytes}.
"""

from __future__ import annotations

import asyncio
import json
import socket

from benchmarks.memory.partners import PIECE

_OK = b"HTTP/1.1 200 OK\r\n"


class State:
    """What has happened since the process began."""

    open = 0
    sent = 0


class Pace:
    """Waits so that no more than so many bytes a second pass; 0 is no limit."""

    def __init__(self, bytes_per_second: int) -> None:
        self._rate = bytes_per_second
        self._loop = asyncio.get_running_loop()
        self._began, self._passed = self._loop.time(), 0

    async def __call__(self, count: int) -> None:
        if self._rate:
            self._passed += count
            await asyncio.sleep(self._began + self._passed / self._rate - self._loop.time())


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    State.open += 1
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            _, kind, *numbers = head.split(b" ")[1].decode().split("/")
            if kind == "down":
                await _send(writer, int(numbers[0]), Pace(int(numbers[1]) if numbers[1:] else 0))
            elif kind == "up":
                await _take(reader, writer, _length(head), Pace(int(numbers[0]) if numbers else 0))
            else:
                told = json.dumps({"open": State.open - 1, "sent": State.sent}).encode()
                writer.write(_OK + b"Content-Length: %d\r\n\r\n%b" % (len(told), told))
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        State.open -= 1
        writer.close()


def _length(head: bytes) -> int:
    fields = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next(int(value) for name, _, value in fields if name == b"content-length")


async def _send(writer: asyncio.StreamWriter, size: int, pace: Pace) -> None:
    writer.write(_OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while size:
        piece = PIECE[:size]
        size -= len(piece)
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        State.sent += len(piece)
        await pace(len(piece))
    writer.write(b"0\r\n\r\n")


async def _take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int, pace: Pace) -> None:
    left = size
    while left:
        piece = await reader.read(min(left, 65_536))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        await pace(len(piece))
    told = b"%d" % size
    writer.write(_OK + b"Content-Length: %d\r\n\r\n%b" % (len(told), told))


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = await asyncio.start_server(serve, sock=listener)
    print(listener.getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
