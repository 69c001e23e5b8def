"""A port that is taken is named before anything is started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import free_port
from tests.suite import ROOT


def start(folder: Path, **ports: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATCHBAY_DATA_DIR": str(folder), **ports}
    command = [sys.executable, "-m", "demo"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_refused_by_the_name_of_its_variable(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{}")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = start(tmp_path, PORT=str(free_port()), SANDBOX_PORT=str(other.getsockname()[1]))
    assert done.returncode != 0
    assert "SANDBOX_PORT" in done.stderr
    assert (tmp_path / "demo.json").exists()  # the one that runs is left alone


@pytest.mark.parametrize("port", ["eight", "99999999", "-1"])
def test_what_is_no_port_is_refused_with_a_sentence(tmp_path: Path, port: str) -> None:
    done = start(tmp_path, PORT=port, SANDBOX_PORT=str(free_port()))
    assert done.returncode != 0
    assert "PORT" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".env").exists()
