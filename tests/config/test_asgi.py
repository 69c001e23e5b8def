"""With a key that does not open what is stored workers end with a sentence, and the web process tells it (ADM-05)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.config.test_environment import GOOD
from tests.proxy.servers import RawReply, Served
from tests.services import free_port
from tests.suite import ROOT

pytestmark = pytest.mark.served
OTHER_KEY = "OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg="


def environment(folder: Path, key: str) -> dict[str, str]:
    return {**GOOD, "PATCHBAY_DATA_DIR": str(folder), "PATH": os.environ["PATH"], "FERNET_KEYS": key}


def run(folder: Path, key: str, *words: str, timeout: int = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment(folder, key),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def migrated(folder: Path) -> bytes:
    assert run(folder, GOOD["FERNET_KEYS"], "manage.py", "migrate", "-v0").returncode == 0
    return (folder / "patchbay.sqlite3").read_bytes()


def test_adm_05_worker_and_beat_do_not_run_with_a_key_that_opens_nothing(tmp_path: Path) -> None:
    before = migrated(tmp_path)
    celery = ("-m", "celery", "-A", "config")
    worker = run(tmp_path, OTHER_KEY, *celery, "worker", "--pool", "solo")
    assert (tmp_path / "patchbay.sqlite3").read_bytes() == before
    beat = run(tmp_path, OTHER_KEY, *celery, "beat", "--pidfile=")
    for done in (worker, beat):
        assert done.returncode != 0
        assert "FERNET_KEYS" in done.stdout + done.stderr


def test_adm_05_a_web_process_with_such_a_key_serves_the_admin_and_is_not_ready(tmp_path: Path) -> None:
    before = migrated(tmp_path)
    served = Served(free_port())
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(served.port)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(tmp_path, OTHER_KEY),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as web:
        try:
            assert answer(served, "/healthz").status == 200
            ready = answer(served, "/readyz")
            assert ready.status == 503 and b"FERNET_KEYS" in ready.body
            assert answer(served, "/admin/login/").status == 200
        finally:
            web.terminate()
        log, _ = web.communicate(timeout=20)
    assert "not ready" in log and "FERNET_KEYS" in log and OTHER_KEY not in log
    assert (tmp_path / "patchbay.sqlite3").read_bytes() == before


def answer(served: Served, path: str) -> RawReply:
    give_up_at = time.monotonic() + 60
    while True:
        try:
            return served.raw(f"GET {path} HTTP/1.1\r\nHost: {GOOD['ALLOWED_HOSTS']}\r\n\r\n".encode())
        except ConnectionError:
            assert time.monotonic() < give_up_at, "the web process did not start"
            time.sleep(0.1)


def test_a_web_process_does_not_start_before_migrate(tmp_path: Path) -> None:
    web = run(tmp_path, OTHER_KEY, "-m", "uvicorn", "config.asgi:application", "--port", str(free_port()))
    assert web.returncode != 0 and "migrate" in web.stdout + web.stderr
