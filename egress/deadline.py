"""One deadline for a whole exchange, enforced at the socket.

A time-out that restarts with every byte never ends against a server that drips them. Here each wait gets
what is left of the whole, whatever was received in between.
"""

import io
import socket
import time
from typing import Any


class Deadline:
    """A point in time on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, more than zero. Raises TimeoutError when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("The deadline has passed.")
        return left


class DeadlineSocket:
    """As much of a socket as http.client uses; every read and write ends by the deadline.

    `has_sent` is whether any byte of the request may have reached the peer. `is_at_end_of_reply` is whether the
    reply has been read to its end and nothing that came lies behind it.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._socket = sock
        self._deadline = deadline
        self.has_sent = False
        self.is_at_end_of_reply = False

    def sendall(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        while view:
            self._socket.settimeout(self._deadline.remaining())
            self.has_sent = True
            view = view[self._socket.send(view[:65536]) :]

    def recv_into(self, buffer: Any) -> int:
        self._socket.settimeout(self._deadline.remaining())
        return self._socket.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError("This socket is only read from as a file.")
        return _Buffer(self)

    def close(self) -> None:
        """Left to whoever opened the socket: http.client closes before it reads content without a length."""


class _Buffer(io.BufferedReader):
    """What http.client reads the reply from; it closes it when the reply has been read to its end."""

    def __init__(self, sock: DeadlineSocket) -> None:
        self._reader = _Reader(sock)
        super().__init__(self._reader)
        self._wire = sock

    def close(self) -> None:
        if not self.closed:
            self._wire.is_at_end_of_reply = self.tell() == self._reader.tell()
        super().close()


class _Reader(io.RawIOBase):
    def __init__(self, sock: DeadlineSocket) -> None:
        self._socket = sock
        self._received = 0

    def tell(self) -> int:
        """Bytes received so far: less what the buffer holds, it is what has been read."""
        return self._received

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._socket.recv_into(buffer)
        self._received += count
        return count
