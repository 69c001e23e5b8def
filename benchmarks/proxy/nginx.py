"""nginx in two roles: the provider that every call ends at, and the proxy that Patchbay is compared with."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks.servers import free_port, stop

START_SECONDS = 10
#: what the provider answers: 1 KiB of JSON
REPLY = ('{"id":"9007199254740993","properties":{"note":"' + "x" * 974 + '"}}').encode()
_COMMON = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log error;
worker_processes {workers};
master_process {master};
worker_rlimit_nofile 20000;
{user}
events {{ worker_connections 8000; }}
http {{
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {server}
}}
"""
_PROVIDER = """
server {{
  listen 127.0.0.1:{port} backlog=4096;
  default_type application/json;
  location / {{ return 200 '{reply}'; }}
}}
"""
_PROXY = """
upstream provider {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
server {{
  listen 127.0.0.1:{port} backlog=4096;
  location /proxy/bench/customer-0/ {{
    proxy_pass http://provider/;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host api.hubapi.com;
    proxy_set_header Authorization "Bearer {token}";
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx."""

    port: int
    pid: int


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in ("nginx", "wrk", "taskset") if shutil.which(name) is None]


@contextmanager
def provider(folder: Path, *, core: int | None) -> Iterator[Nginx]:
    """Answers everything with 1 KiB of JSON and keeps its connections."""
    port = free_port()
    server = _PROVIDER.format(port=port, reply=REPLY.decode())
    with _running(folder / "provider", server, port=port, core=core, workers=1) as running:
        yield running


@contextmanager
def proxy(folder: Path, *, upstream: int, core: int | None, workers: int = 1) -> Iterator[Nginx]:
    """Does the proxy's job for one connection: another Authorization field, connections kept on both sides."""
    port = free_port()
    server = _PROXY.format(port=port, upstream=upstream, token="t" * 180)
    with _running(folder / f"proxy-{workers}", server, port=port, core=core, workers=workers) as running:
        yield running


@contextmanager
def _running(folder: Path, server: str, *, port: int, core: int | None, workers: int) -> Iterator[Nginx]:
    folder.mkdir()
    configuration = _COMMON.format(
        folder=folder,
        workers=workers,
        master="off" if workers == 1 else "on",
        user="user root;" if os.geteuid() == 0 and workers > 1 else "",
        server=server,
    )
    (folder / "nginx.conf").write_text(configuration)
    program = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(pinned(program, core))
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        yield Nginx(port, process.pid)
    finally:
        stop(process)


def pinned(command: list[str], core: int | None) -> list[str]:
    """The command, kept on one core."""
    return command if core is None else ["taskset", "-c", str(core), *command]


def wait_for(url: str, process: subprocess.Popen[bytes], *, seconds: float = START_SECONDS) -> None:
    """Until something answers there. Raises RuntimeError when the process ends first or nothing comes."""
    give_up_at = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            urlopen(url, timeout=2).close()
        except OSError as error:
            if getattr(error, "code", None):  # an answer, if only an error
                return
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"Nothing answers at {url}.")
