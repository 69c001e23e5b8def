"""PostgreSQL as an installation runs it, and Redis, in a folder that goes afterwards.

Unlike the servers of the tests this PostgreSQL writes through to the disk (fsync on) and has the memory that
its handbook advises for a small machine: what is measured here includes the commits.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.services import free_port, missing

START_SECONDS = 30
POSTGRES_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "200",
}
_DEBIAN = Path("/usr/lib/postgresql")

__all__ = ["free_port", "missing", "postgresql", "redis", "stop"]


def _program(name: str) -> str:
    """PostgreSQL's server programs; Debian keeps them out of PATH."""
    found = shutil.which(name) or next((str(path) for path in sorted(_DEBIAN.glob(f"*/bin/{name}"))[-1:]), "")
    if not found:
        raise SystemExit(f"{name} is not installed.")
    return found


def _owner() -> list[str]:
    """PostgreSQL refuses to run as root: there it runs as its own user."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


def stop(process: subprocess.Popen[bytes], *, seconds: float = 20) -> None:
    """End a process that this one has started."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def postgresql() -> Iterator[tuple[str, int]]:
    """A new cluster: (DATABASE_URL, process id of the server)."""
    folder = Path(tempfile.mkdtemp(prefix="patchbay-bench-postgresql-"))
    data, port = folder / "data", free_port()
    data.mkdir()
    if os.geteuid() == 0:
        folder.chmod(0o755)
        shutil.chown(data, "postgres", "postgres")
    initdb = [_program("initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*_owner(), *initdb], check=True, stdout=subprocess.DEVNULL, cwd="/")
    settings = {**POSTGRES_SETTINGS, "unix_socket_directories": str(data)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    server = [_program("postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", *options]
    log = (folder / "log").open("wb")
    process = subprocess.Popen([*_owner(), *server], cwd="/", stdout=log, stderr=log)
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    try:
        _wait_for_postgresql(url)
        yield url, process.pid
    finally:
        stop(process)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_postgresql(url: str) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url.replace("postgres://", "postgresql://")).close()
        except psycopg.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def redis() -> Iterator[tuple[str, int]]:
    """An empty Redis that keeps nothing: (its URL without a database, process id)."""
    port = free_port()
    folder = tempfile.mkdtemp(prefix="patchbay-bench-redis-")
    program = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}", process.pid
    finally:
        stop(process)
        shutil.rmtree(folder, ignore_errors=True)
