"""A partner that writes and reads bytes: no HTTP library stands between the test and the platform's socket."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

Field = tuple[bytes, bytes]
#: a reply to these has no content, whatever its fields say
_EMPTY = frozenset({204, 304})


@dataclass(frozen=True)
class Got:
    """One reply. interim: the status codes that came before it; is_whole: nothing is missing of it."""

    status: int
    fields: list[Field]
    content: bytes
    is_whole: bool
    trailers: bytes = b""
    interim: list[int] = field(default_factory=list)

    def get(self, name: bytes) -> bytes | None:
        return next((value for found, value in self.fields if found == name), None)


class Partner:
    """A connection to the platform that is kept as long as the platform keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sock: socket.socket | None = None
        self._buffer = b""

    @property
    def sock(self) -> socket.socket:
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self._port), timeout=15)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._buffer = b""
        return self._sock

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def send(self, data: bytes, *, cuts: Sequence[int] = ()) -> None:
        """Send in pieces that end at the cuts."""
        start = 0
        for end in (*sorted(cut % (len(data) + 1) for cut in cuts), len(data)):
            if end > start:
                self.sock.sendall(data[start:end])
                start = end

    def call(self, request: bytes, *, cuts: Sequence[int] = (), is_head: bool = False) -> Got:
        """Send a request, also once more on a new connection where the kept one was closed; read the reply."""
        kept = self._sock is not None
        try:
            self.send(request, cuts=cuts)
            return self.read(is_head=is_head)
        except ConnectionError:
            self.close()
            if not kept:
                raise
        self.send(request, cuts=cuts)
        return self.read(is_head=is_head)

    def read(self, *, is_head: bool = False) -> Got:
        """Read a final reply and what comes before it. Raises ConnectionError when there is none."""
        interim: list[int] = []
        while True:
            head = self._until(b"\r\n\r\n")
            if head is None:
                raise ConnectionError(f"no header section, only {self._buffer!r}")
            first, *lines = head[:-4].split(b"\r\n")
            assert first.startswith(b"HTTP/1.1 ")
            status = int(first.split(b" ")[1])
            if status >= 200:
                break
            interim.append(status)
        fields = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
        content, is_whole, trailers = self._content(status, fields, is_head=is_head)
        if not is_whole or (b"connection", b"close") in fields:
            self.close()
        return Got(status, fields, content, is_whole, trailers, interim)

    def _content(self, status: int, fields: list[Field], *, is_head: bool) -> tuple[bytes, bool, bytes]:
        named = dict(fields)
        if is_head or status in _EMPTY:
            return b"", True, b""
        if named.get(b"transfer-encoding") == b"chunked":
            assert b"content-length" not in named
            return self._chunks()
        length = named.get(b"content-length")
        if length is None:
            content = b""
            while self._more():
                pass
            content, self._buffer = self._buffer, b""
            return content, True, b""
        content = self._exactly(int(length))
        return content, len(content) == int(length), b""

    def _chunks(self) -> tuple[bytes, bool, bytes]:
        parts = []
        while True:
            line = self._until(b"\r\n")
            if line is None:
                return b"".join(parts), False, b""
            size = int(line, 16)
            if size == 0:
                trailers = b""
                while (line := self._until(b"\r\n")) not in (None, b"\r\n"):
                    trailers += line or b""
                return b"".join(parts), line is not None, trailers
            piece = self._exactly(size + 2)
            parts.append(piece[:size])
            if len(piece) < size + 2:
                return b"".join(parts), False, b""
            assert piece.endswith(b"\r\n")

    def _exactly(self, count: int) -> bytes:
        parts, have = [self._buffer], len(self._buffer)
        while have < count:
            data = self._recv()
            if not data:
                break
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self._buffer = whole[count:]
        return whole[:count]

    def _until(self, end: bytes) -> bytes | None:
        while end not in self._buffer:
            if not self._more():
                return None
        found, _, self._buffer = self._buffer.partition(end)
        return found + end

    def _more(self) -> bool:
        data = self._recv()
        self._buffer += data
        return bool(data)

    def _recv(self) -> bytes:
        try:
            return self.sock.recv(262_144)
        except ConnectionError:
            return b""
