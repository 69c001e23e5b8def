"""Idle connections of one thread, for many short exchanges with the same few origins in a row.

Each was opened by `connecting`, its address checked then; it serves only the origin, and the way there, that
it was opened for. One that has been idle for longer than a moment, or that has anything to read, is not used
again: the server has ended it, or says what nobody asked.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Hashable

#: far below the five seconds after which the most impatient servers close
IDLE_SECONDS = 2.0
_MOST_ORIGINS = 16


class KeptConnections:
    """At most one idle connection an origin; not for use by several threads."""

    def __init__(self) -> None:
        self._idle: OrderedDict[Hashable, tuple[socket.socket, float]] = OrderedDict()

    def take(self, key: Hashable) -> socket.socket | None:
        """An idle connection that is still good, or None."""
        sock, since = self._idle.pop(key, (None, 0.0))
        if sock is None:
            return None
        if time.monotonic() - since > IDLE_SECONDS or _has_something_to_read(sock):
            sock.close()
            return None
        return sock

    def give(self, key: Hashable, sock: socket.socket) -> None:
        """Keep a connection whose last reply has been read to its end."""
        known = self._idle.pop(key, None)
        if known is not None:
            known[0].close()
        self._idle[key] = (sock, time.monotonic())
        if len(self._idle) > _MOST_ORIGINS:
            self._idle.popitem(last=False)[1][0].close()

    def close(self) -> None:
        """Close all of them."""
        while self._idle:
            self._idle.popitem()[1][0].close()


def _has_something_to_read(sock: socket.socket) -> bool:
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    poller = select.poll()
    poller.register(sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poller.poll(0))
