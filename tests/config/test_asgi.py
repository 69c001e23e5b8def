"""A web process, and a worker, with a key that does not open what is stored end with a sentence (ADM-05)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.test_environment import GOOD
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


def test_adm_05_no_process_serves_with_a_key_that_opens_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, GOOD["FERNET_KEYS"], "manage.py", "migrate", "-v0").returncode == 0
    before = (tmp_path / "patchbay.sqlite3").read_bytes()
    web = run(tmp_path, OTHER_KEY, "-m", "uvicorn", "config.asgi:application", "--port", str(free_port()))
    worker = run(tmp_path, OTHER_KEY, "-m", "celery", "-A", "config", "worker", "--pool", "solo")
    for done in (web, worker):
        assert done.returncode != 0
        assert "FERNET_KEYS" in done.stdout + done.stderr
    assert (tmp_path / "patchbay.sqlite3").read_bytes() == before
