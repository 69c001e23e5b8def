"""A server of others as a process of its own: started on a free port, ended by its id."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

START_SECONDS = 90.0
_END_SECONDS = 20.0


@contextmanager
def running(
    command: Sequence[str], *, folder: Path, ready_url: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run it until the block ends; what it writes goes to a file in its folder. The block begins when
    ready_url answers. Fails the test with the file's end when it does not come up."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})}
    journal = folder / "output.txt"
    with journal.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        if not _is_ready(process, ready_url):
            said = journal.read_text(errors="replace")[-3_000:]
            pytest.fail(f"{Path(command[0]).name} did not come up:\n{said}", pytrace=False)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=_END_SECONDS)


def _is_ready(process: subprocess.Popen[bytes], url: str) -> bool:
    give_up_at = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            if requests.get(url, timeout=5).ok:
                return True
        except requests.RequestException:
            pass
        time.sleep(0.05)
    return False
