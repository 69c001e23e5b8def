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

    `has_sent` is whether any byte of the request may have reached the peer.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._socket = sock
        self._deadline = deadline
        self.has_sent = False

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
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Left to whoever opened the socket: http.client closes before it reads content without a length."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: DeadlineSocket) -> None:
        self._socket = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._socket.recv_into(buffer)
