"""Telling workers that there is work, from a thread that may wait for a broker: nobody else does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import Full, Queue


class Sender:
    """Calls send() once for each time it was asked, but no more than so many times in arrears.

    A message says only that there is work: what is asked for beyond that is left to the sweep, as all is that a
    process leaves when it ends.
    """

    def __init__(self, send: Callable[[], None], *, most: int) -> None:
        self._send = send
        self._asked: Queue[None] = Queue(most)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Returns at once."""
        with contextlib.suppress(Full):
            self._asked.put_nowait(None)
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # a process that was forked has none
                self._thread = threading.Thread(target=self._work, name="receipt-messages", daemon=True)
                with contextlib.suppress(
                    RuntimeError
                ):  # no thread can be had: the next that asks tries again
                    self._thread.start()

    def wait(self) -> None:
        """Until all that was asked for has been sent."""
        self._asked.join()

    def _work(self) -> None:
        while True:
            self._asked.get()
            try:
                self._send()
            finally:
                self._asked.task_done()
