"""That a worker is asked to end, known to all of its processes.

Celery tells the process that a signal reaches (worker_shutting_down). Those that a prefork pool has forked from it
hear nothing: it waits until their tasks are over.
"""

from __future__ import annotations

import mmap


class SharedFlag:
    """One byte that a process shares with those that are forked from it after it was made.

    Sets no lock and allocates nothing: for a signal's handler.
    """

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._byte[0] = 1

    def is_set(self) -> bool:
        return self._byte[0] != 0
