"""PostgreSQL and Redis for the `db`-marked tests: own clusters on free ports in a folder that goes afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _postgres_bin() -> Path | None:
    """Where initdb and postgres are; Debian keeps them out of PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return candidates[-1].parent if candidates else None


def missing() -> list[str]:
    """The servers that are not installed."""
    parts = {"postgresql": _postgres_bin() is None, "redis-server": shutil.which("redis-server") is None}
    return [name for name, is_missing in parts.items() if is_missing]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Start both; yields the environment that points the project at them."""
    folder = Path(tempfile.mkdtemp(prefix="patchbay-servers-"))
    postgres_port, redis_port = free_port(), free_port()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.append(_start_postgres(folder, postgres_port))
        processes.append(_start_redis(folder, redis_port))
        for port in (postgres_port, redis_port):
            _wait_for(port)
        yield {
            "DATABASE_URL": f"postgres://postgres@127.0.0.1:{postgres_port}/postgres",
            "CACHE_URL": f"rediscache://127.0.0.1:{redis_port}/0",
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{redis_port}/1",
        }
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres() -> dict[str, str | int]:
    """PostgreSQL refuses to run as root: it runs as its own user there."""
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


def _start_postgres(folder: Path, port: int) -> subprocess.Popen[bytes]:
    binaries = _postgres_bin()
    assert binaries is not None
    data = folder / "postgres"
    data.mkdir()
    folder.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
    initdb = [
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **_as_postgres())  # type: ignore[call-overload]
    server = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1"]
    server += ["-c", f"unix_socket_directories={data}", "-c", "fsync=off", "-c", "max_connections=200"]
    server += ["-c", "full_page_writes=off", "-c", "synchronous_commit=off"]
    return subprocess.Popen(  # type: ignore[call-overload]
        server, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_as_postgres()
    )


def _start_redis(folder: Path, port: int) -> subprocess.Popen[bytes]:
    arguments = [
        "redis-server",
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for(port: int) -> None:
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"Nothing listens on port {port} after 30 s.")
