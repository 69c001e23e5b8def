"""Several web processes, one answer: each writes its numbers into a folder, and a scrape adds them up.

A scrape reaches any one of the processes. It writes that one's numbers down and then reads everybody's from the
folder, so that no later scrape, whoever answers it, can find less than an earlier one: a counter that goes back
is taken for a restart. A living process holds a lock on its file, which the system lets go of when it dies. What
the dead have counted is folded into one file; when nobody was left alive, counting starts anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import structlog

from proxy.observation.snapshot import Snapshot

log = structlog.get_logger(__name__)
_LOCK, _NUMBERS, _WRITING = ".lock", ".numbers", ".writing"
FORGET_SECONDS = 7 * 86_400
_FOLD_LOCK, _ENDED = "folding", "ended.numbers"
#: to make a folder that others keep deleting
_TRIES = 10


class Folder:
    """This process's place among those of one host. Does file I/O: not for an event loop."""

    def __init__(self, path: Path) -> None:
        """path: the same for all web processes of the host, and for no others."""
        self._path = path
        self._name = secrets.token_hex(8)
        self._held: IO[bytes] | None = None

    def enter(self) -> None:
        """Take a place; the first of all clears away what is left of earlier runs. Raises OSError."""
        self._forget_hosts()
        for _ in range(_TRIES - 1):
            with contextlib.suppress(
                FileNotFoundError
            ):  # another host deletes this folder as one of the long gone
                return self._take_place()
        return self._take_place()

    def _take_place(self) -> None:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._folding():
            if not any(not _is_free(path) for path in self._path.glob(f"*{_LOCK}")):
                for kind in (_LOCK, _NUMBERS, _WRITING):
                    for path in self._path.glob(f"*{kind}"):
                        path.unlink(missing_ok=True)
            self._held = (self._path / f"{self._name}{_LOCK}").open("wb")
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _forget_hosts(self) -> None:
        """Delete the folders of hosts that have long been gone: each container has a name of its own."""
        before = time.time() - FORGET_SECONDS
        for lock in self._path.parent.glob(f"*/{_FOLD_LOCK}"):
            if lock.parent != self._path:
                with contextlib.suppress(
                    OSError
                ):  # somebody is at it: either deletes it too, or has come back
                    _forget(lock, before)

    def publish(self, snapshot: Snapshot) -> None:
        """Write this process's numbers, whole or not at all."""
        self._write(f"{self._name}{_NUMBERS}", snapshot)

    def together(self) -> Snapshot:
        """The numbers of all, living and dead, as last published."""
        with self._folding():
            self._fold()
            total = self._read(_ENDED) or Snapshot()
            for path in self._path.glob(f"*{_LOCK}"):
                if path.stem not in total.ended and (found := self._read(f"{path.stem}{_NUMBERS}")):
                    total.add(found)
        return total

    def leave(self) -> None:
        """Give the place up; what was published last is kept for the others."""
        held, self._held = self._held, None
        if held is not None:
            held.close()

    @contextlib.contextmanager
    def _folding(self) -> Iterator[None]:
        """One process at a time. Raises FileNotFoundError when the folder is gone."""
        while True:
            with (self._path / _FOLD_LOCK).open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if os.fstat(lock.fileno()).st_nlink:  # else it was deleted while this waited for it
                    yield
                    return

    def _fold(self) -> None:
        """Take the numbers of those who have died into one file, each once, whenever this is interrupted."""
        dead = [path.stem for path in self._path.glob(f"*{_LOCK}") if _is_free(path)]
        if not dead:
            return
        total = self._read(_ENDED) or Snapshot()
        for name in dead:
            if name not in total.ended and (found := self._read(f"{name}{_NUMBERS}")):
                total.add(found, has_ended=True)
        total.ended = dead
        self._write(_ENDED, total)
        for name in dead:
            for kind in (
                _NUMBERS,
                _WRITING,
                _LOCK,
            ):  # the lock last: while it is there the name is known as folded
                (self._path / f"{name}{kind}").unlink(missing_ok=True)

    def _read(self, name: str) -> Snapshot | None:
        try:
            with (self._path / name).open("rb") as file:
                return Snapshot.of_lines(file)
        except FileNotFoundError:
            return None  # nothing published yet, or nobody has ended
        except ValueError as error:
            log.warning("metrics not read", file=name, error=type(error).__name__)
            return None

    def _write(self, name: str, snapshot: Snapshot) -> None:
        beside = self._path / f"{self._name}{_WRITING}"
        with beside.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in snapshot.lines())
        os.replace(beside, self._path / name)


def _forget(lock: Path, before: float) -> None:
    """Delete a folder in which nothing has changed since then and nobody takes a place. Raises OSError."""
    if lock.parent.stat().st_mtime >= before:
        return
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if lock.parent.stat().st_mtime < before:
            shutil.rmtree(lock.parent, ignore_errors=True)


def _is_free(path: Path) -> bool:
    """Whether nobody holds the lock of that file any more."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
