"""A sandbox inside the test process, on its own thread and event loop.

with running_sandbox() as sandbox:
    app = sandbox.control("POST", "/_control/apps", {"redirectUrls": ["http://localhost:8000/cb"]})
    requests.get(sandbox.url + "/oauth/authorize?…")
"""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.server import SANDBOX, create_app, start
from sandbox.world import Sandbox

START_TIMEOUT_SECONDS = 10.0


class ControlFailed(AssertionError):
    """A control call was refused; the text carries status and body."""


@dataclass
class Clock:
    """Unix seconds that a test can move forward."""

    offset_seconds: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset_seconds

    def advance(self, seconds: float) -> None:
        self.offset_seconds += seconds


@dataclass
class RunningSandbox:
    """A sandbox that answers under `url`. `world` is its inside: look, but change it through control()."""

    url: str
    port: int
    world: Sandbox
    clock: Clock = field(default_factory=Clock)

    def control(self, method: str, path: str, payload: Any = None) -> Any:
        """One call of the control API; the parsed JSON reply, or None. Raises ControlFailed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            body = None if payload is None else json.dumps(payload)
            connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        if reply.status >= 300:
            raise ControlFailed(f"{method} {path}: {reply.status} {text}")
        return json.loads(text) if text else None


@contextmanager
def running_sandbox(state_path: Path | None = None) -> Iterator[RunningSandbox]:
    """Serve on a free loopback port until the block ends."""
    clock = Clock()
    app = create_app(state_path, clock=clock)
    loop = asyncio.new_event_loop()
    started: dict[str, Any] = {}
    ready = threading.Event()

    async def run() -> None:
        stop = started["stop"] = asyncio.Event()
        runner, started["port"] = await start(app)
        ready.set()
        await stop.wait()
        await runner.cleanup()

    def work() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(run())
        except Exception as error:  # noqa: BLE001  # reported in the test's thread
            started["error"] = error
        finally:
            ready.set()
            _finish(loop)

    thread = threading.Thread(target=work, name="sandbox", daemon=True)
    thread.start()
    if not ready.wait(START_TIMEOUT_SECONDS) or "port" not in started:
        raise RuntimeError("the sandbox did not start") from started.get("error")
    try:
        port = started["port"]
        yield RunningSandbox(f"http://127.0.0.1:{port}", port, app[SANDBOX], clock)
    finally:
        loop.call_soon_threadsafe(started["stop"].set)
        thread.join(START_TIMEOUT_SECONDS)


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is still open, so that nothing outlives the block."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
