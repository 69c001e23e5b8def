"""The processes of one installation, started as the Procfile starts them, and the servers that they need."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.installation import ROOT, Installation, installation
from benchmarks.refreshes import WORKER, WORKER_OPTIONS
from benchmarks.refreshes.provider import Control, sandbox

WEBS, WORKERS = 4, 2
START_SECONDS = 60.0
_ORIGIN = "https://api.hubapi.com"
#: as docs/operations.md starts them
_WEB = ("uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--loop", "uvloop")
_WEB_OPTIONS = (
    "--http", "proxy.protocol:BoundedProtocol", "--no-proxy-headers", "--no-server-header", "--no-date-header",
    "--no-access-log", "--timeout-graceful-shutdown", "30",
)  # fmt: skip


class Redis:
    """A server on a port of its own that can be killed and brought back, empty each time."""

    def __init__(self, folder: Path) -> None:
        self.port = servers.free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Have it run; returns once it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        program = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [*program, "--dir", str(self._folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, "Redis did not start")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@dataclass
class Process:
    """One process of the product. port: 0 for a worker."""

    kind: str
    number: int
    port: int
    popen: subprocess.Popen[bytes] = field(repr=False)
    is_to_end: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind} {self.number}"


class Pipe:
    """benchmarks.chaos.inside, running: call it with a command and its words."""

    def __init__(self, place: Installation, sandbox_url: str) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.chaos.inside", sandbox_url],
            cwd=ROOT,
            env=place.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.greeting: dict[str, str] = self._read()

    def __call__(self, *words: object) -> dict[str, Any]:
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):  # reading tells it
            self._popen.stdin.write(json.dumps(words) + "\n")
            self._popen.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise RuntimeError("The helper inside the installation has ended; see its error above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        servers.stop(self._popen)  # type: ignore[arg-type]  # one that speaks text
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


class Stack:
    """A running installation: 4 web processes and 2 workers, its broker, its database, and the provider."""

    def __init__(self, place: Installation, *, redis: str, server: Redis | None, sandbox_url: str) -> None:
        self.redis_mode = redis
        self.redis = server
        self.control = Control(sandbox_url)
        self.inside = Pipe(place, sandbox_url)
        self.processes: list[Process] = []
        self._place = place
        self._folder = place.folder / "control"
        self._folder.mkdir()
        self._restarts = 0

    def start(self) -> list[str]:
        """Start whatever does not run and wait until it serves; the names of those that ended unasked."""
        alive = {(one.kind, one.number) for one in self.processes if one.popen.poll() is None}
        ended = self.ended()
        self.processes = [one for one in self.processes if (one.kind, one.number) in alive]
        wanted = [("web", n) for n in range(WEBS)] + [("worker", n) for n in range(WORKERS)]
        started = [self._start(*who) for who in wanted if who not in alive]
        self.processes = sorted([*self.processes, *started], key=lambda one: (one.kind, one.number))
        for one in started:
            wait_until(partial(self._serves, one), f"{one.name} did not start")
        return ended

    def ended(self) -> list[str]:
        """The names of those that have ended by themselves."""
        return [one.name for one in self.processes if one.popen.poll() is not None and not one.is_to_end]

    def _start(self, kind: str, number: int) -> Process:
        self._restarts += 1
        port = servers.free_port() if kind == "web" else 0
        words: tuple[str, ...] = (*_WEB, "--port", str(port), *_WEB_OPTIONS)
        if kind == "worker":
            words = (*WORKER, *WORKER_OPTIONS, "--hostname", f"chaos{self._restarts}@localhost")
        module = ("benchmarks.chaos.hooked", str(self._folder), kind)
        popen = self._place.start(*module, *words, log=self._place.folder / f"{kind}-{number}.log")
        return Process(kind, number, port, popen)

    def _serves(self, one: Process) -> bool:
        if one.popen.poll() is not None:
            raise RuntimeError(f"{one.name} has ended: {self.log_of(one)[-2000:]}")
        if one.kind == "web":
            return _is_healthy(one.port)
        sign = "started" if self.redis_mode == "down" else "ready"
        return any(line.split()[0] == str(one.popen.pid) for line in self._lines(sign))

    def log_of(self, one: Process) -> str:
        return (self._place.folder / f"{one.kind}-{one.number}.log").read_text(errors="replace")

    @property
    def ports(self) -> list[int]:
        return [one.port for one in self.processes if one.kind == "web"]

    def _lines(self, name: str) -> list[str]:
        path = self._folder / name
        return path.read_text().splitlines() if path.exists() else []

    def tasks_done(self) -> int:
        """How many tasks the workers have finished since the installation was started."""
        return len(self._lines("tasks"))

    def arm(self, point: str, kind: str) -> None:
        """The next process of the kind that reaches the point is to stay there until kill() or stop()."""
        for path in [*self._folder.glob("armed-*"), *self._folder.glob("held-*")]:
            path.unlink()
        for path in (self._folder / "die", self._folder / "go"):
            path.unlink(missing_ok=True)
        (self._folder / f"armed-{point}-{kind}").touch()

    def held(self) -> Process | None:
        """The process that stands at the point, if one does."""
        pids = [int(path.name.removeprefix("held-")) for path in self._folder.glob("held-*")]
        return next((one for one in self.processes if one.popen.pid in pids), None)

    def kill(self, victim: Process) -> None:
        """Let it kill itself where it stands. Raises RuntimeError when it ended in another way."""
        victim.is_to_end = True
        (self._folder / "die").touch()
        code = victim.popen.wait(START_SECONDS)
        if code != -signal.SIGKILL:
            raise RuntimeError(f"{victim.name} ended with {code} instead of SIGKILL.")

    def stop(self, victim: Process) -> None:
        """Let it go on from where it stands, and tell it to end once the provider has its token request."""
        victim.is_to_end = True
        (self._folder / "go").touch()
        wait_until(lambda: bool(self.token_requests()), "No token request arrived")
        victim.popen.terminate()

    def token_requests(self) -> list[dict[str, Any]]:
        """Those that reached the provider, oldest first."""
        found: list[dict[str, Any]] = self.control("GET", "/_control/requests?path=/oauth/")
        return found

    def close(self) -> None:
        for one in self.processes:
            if one.popen.poll() is None:
                one.popen.terminate()
        for one in self.processes:
            servers.stop(one.popen)
        self.inside.close()


@contextmanager
def running(database: str, redis: str, *, keep_logs: Path) -> Iterator[Stack]:
    """An installation with everything started; keep_logs: where its logs go afterwards."""
    with ExitStack() as stack:
        settings: dict[str, str] = {}
        server = None
        if database == "postgresql":
            settings["DATABASE_URL"], _ = stack.enter_context(servers.postgresql())
        sandbox_url, _ = stack.enter_context(sandbox())
        settings["UPSTREAM_MAP"] = json.dumps({_ORIGIN: sandbox_url})
        place = stack.enter_context(installation(settings))
        if redis != "none":
            server = Redis(place.folder)
            stack.callback(server.kill)
            place.environment["CACHE_URL"] = f"rediscache://127.0.0.1:{server.port}/0"
            place.environment["CELERY_BROKER_URL"] = f"redis://127.0.0.1:{server.port}/1"
            if redis != "down":
                server.start()
        stack.callback(_keep, place.folder, keep_logs)
        made = Stack(place, redis=redis, server=server, sandbox_url=sandbox_url)
        stack.callback(made.close)
        made.start()
        yield made


def _keep(folder: Path, target: Path) -> None:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, target / log.name)


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def wait_until(condition: Callable[[], bool], failure: str, *, seconds: float = START_SECONDS) -> None:
    """Look until it holds. Raises RuntimeError with the text."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"{failure} within {seconds:.0f} s.")
        time.sleep(0.02)
