"""`python -m benchmarks.chaos.hooked FOLDER KIND MODULE ARGUMENTS…`: run a module of the product, mortally.

The product knows nothing of it: its functions are wrapped here, before MODULE runs as `python -m` would run it.
A file `armed-POINT-KIND` in FOLDER is claimed, by renaming it to `held-PID`, by the first process of that kind
that reaches the point. That process stays there until the file `die` is there, and then kills itself, or until
the file `go` is there, and then goes on.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

#: a process that holds still longer than this would outlive its lease
_HOLD_SECONDS = 20.0
_LOOK_SECONDS = 0.005


class Executioner:
    """Ends this process where the control folder asks for it."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._kind = kind

    def reach(self, point: str) -> None:
        """Go on, or die here when this is the process that is wanted."""
        try:
            (self._folder / f"armed-{point}-{self._kind}").rename(self._folder / f"held-{os.getpid()}")
        except FileNotFoundError:
            return
        give_up_at = time.monotonic() + _HOLD_SECONDS
        while not (self._folder / "die").exists() and time.monotonic() < give_up_at:
            if (self._folder / "go").exists():
                return
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    def note(self, name: str, text: str = "") -> None:
        """Append a line to a file of the folder; one write, so that processes do not mix."""
        with (self._folder / name).open("ab", buffering=0) as file:
            file.write(f"{os.getpid()} {text}\n".encode())


def wrap(reach: Callable[[str], None]) -> None:
    """Put the four points around the token request and the store of a refresh.

    before_request, after_reply, before_update (the statement that stores the pair is about to be sent: the last
    moment of the window), after_commit (it has been answered, and nothing has followed it).
    """
    from django.db import connection as database

    from integrations import provider_calls
    from integrations.tokens import outcomes

    ask, store = provider_calls.refresh, outcomes.store

    def refresh(*args: Any, **kwargs: Any) -> Any:
        reach("before_request")
        return ask(*args, **kwargs)

    def stored(*args: Any, **kwargs: Any) -> Any:
        reach("after_reply")
        with database.execute_wrapper(_Store(reach)):
            return store(*args, **kwargs)

    mock.patch.object(provider_calls, "refresh", refresh).start()
    mock.patch.object(outcomes, "store", stored).start()


class _Store:
    """Around the first UPDATE of a connection, which is the one that stores; it must commit by itself."""

    def __init__(self, reach: Callable[[str], None]) -> None:
        self._reach = reach
        self._is_over = False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if self._is_over or not sql.startswith('UPDATE "integrations_connection"'):
            return execute(sql, params, many, context)
        if context["connection"].in_atomic_block:
            raise RuntimeError("The store is part of a longer transaction: where it ends is not known here.")
        self._is_over = True
        self._reach("before_update")
        result = execute(sql, params, many, context)
        self._reach("after_commit")
        return result


def _watch_worker(note: Callable[..., None]) -> None:
    """Tell that a worker has started, that it is connected, and each task that it has finished."""
    from celery import signals

    def started(**_: Any) -> None:
        note("started")

    def ready(**_: Any) -> None:
        note("ready")

    def done(*, task: Any, **_: Any) -> None:
        note("tasks", task.name)

    signals.worker_init.connect(started, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.task_postrun.connect(done, weak=False)


def main() -> None:
    folder, kind, module, *arguments = sys.argv[1:]
    import django

    django.setup()
    executioner = Executioner(Path(folder), kind)
    wrap(executioner.reach)
    if kind == "worker":
        _watch_worker(executioner.note)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
