"""The platform's web process as the Procfile starts it, on a free port and on one core."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.installation import ROOT, Installation
from benchmarks.proxy.nginx import pinned, wait_for
from benchmarks.servers import free_port, stop

DEPLOYED = "config.asgi:application"
DOORS = "benchmarks.proxy.doors:application"
ORIGIN = "https://api.hubapi.com"


@dataclass(frozen=True, slots=True)
class Web:
    """A running web process, or several that share a port."""

    port: int
    pid: int


def command(application: str, port: int) -> list[str]:
    """The Procfile's `web` line without its log, for another application and port."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    line = next(line for line in lines if line.startswith("web:"))
    words = shlex.split(line.partition(">>")[0])
    options = words[words.index("-m") + 1 :]
    replaced = {DEPLOYED: application, "$WEB_PORT": str(port)}
    return [sys.executable, "-m", *(replaced.get(word, word) for word in options)]


@contextmanager
def web(
    place: Installation,
    *,
    core: int | None,
    application: str = DEPLOYED,
    workers: int = 1,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Web]:
    """Start it in the installation; settings are added to its environment."""
    port = free_port()
    words = command(application, port)
    if workers > 1:
        words += ["--workers", str(workers)]
    log = place.folder / f"web-{port}.log"
    environment = {**place.environment, **(settings or {})}
    with log.open("ab") as output:
        process = subprocess.Popen(
            pinned(words, core), cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process, seconds=60)
        yield Web(port, process.pid)
    except BaseException:
        print(log.read_text()[-3000:], file=sys.stderr)
        raise
    finally:
        stop(process)
