"""`make run` as its user meets it: real processes, real ports, Ctrl-C (contract section 1)."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.services import free_port
from tests.suite import ROOT

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("demo")]
START_SECONDS = 90


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes whose environment names this data folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"PATCHBAY_DATA_DIR={folder}".encode() in environment and command:
            found.append(f"{entry.name} {command}")
    return found


@contextmanager
def running(
    folder: Path, port: int, sandbox_port: int
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The demo in a session of its own, as a terminal would have it; interrupted in the end."""
    unset = {"DATABASE_URL", "CACHE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "FERNET_KEYS", "PUBLIC_URL"}
    unset |= {"PATCHBAY_ENV", "ALLOWED_HOSTS", "DJANGO_SETTINGS_MODULE"}
    env = {name: value for name, value in os.environ.items() if name not in unset}
    env |= {"PATCHBAY_DATA_DIR": str(folder), "PORT": str(port), "SANDBOX_PORT": str(sandbox_port)}
    with (folder / "screen.txt").open("w+") as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo"],
            cwd=ROOT,
            env=env,
            stdout=screen,
            stderr=screen,
            text=True,
            start_new_session=True,
        )
        try:
            yield process, wait_until_ready(process, folder)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=60)


def wait_until_ready(process: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    time.sleep(1)  # what an earlier start left is put aside at once
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        if (folder / "demo.json").exists():
            return dict(json.loads((folder / "demo.json").read_text()))
        assert process.poll() is None, (folder / "screen.txt").read_text()
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-2_000:] for path in (folder / "log").glob("*.log"))
    raise AssertionError((folder / "screen.txt").read_text() + logs)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def test_the_demo_starts_serves_stops_without_a_trace_and_keeps_its_data(folder: Path) -> None:
    port, sandbox_port = free_port(), free_port()
    with running(folder, port, sandbox_port) as (_, demo):
        assert demo["baseUrl"] == f"http://localhost:{port}"
        assert demo["sandboxUrl"] == f"http://127.0.0.1:{sandbox_port}"
        for name in ("demo.json", ".env"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        health = requests.get(f"{demo['baseUrl']}/healthz", headers={"Host": "anything.example"}, timeout=30)
        assert health.status_code == 200
        ready = requests.get(f"{demo['baseUrl']}/readyz", timeout=30)
        assert ready.status_code == 200
        assert {"database", "broker", "worker", "keys"} <= set(ready.json()["checks"])
        customer_connects_and_is_read(demo, folder)
        kill_the_worker_and_wait_until_it_is_back(demo, folder)
    assert processes_of(folder) == []

    with running(folder, port, sandbox_port) as (_, again):
        assert again == demo
        reply = requests.get(
            f"{again['baseUrl']}/proxy/hbdev/customer-1/crm/v3/objects/contacts?limit=1",
            headers={"Authorization": f"Bearer {again['apiKey']}"},
            timeout=10,
        )
        assert reply.status_code == 200, reply.text
    assert processes_of(folder) == []


def customer_connects_and_is_read(demo: dict[str, Any], folder: Path) -> None:
    """The two commands that the screen shows, run as they stand there, and the customer's part between them."""
    make_link, read = re.findall(r"curl -s .*?(?=\n\n)", (folder / "screen.txt").read_text(), re.DOTALL)[:2]
    link = json.loads(
        subprocess.run(["bash", "-c", make_link], capture_output=True, check=True, text=True).stdout
    )
    connect_as_customer(link["url"])
    page = json.loads(subprocess.run(["bash", "-c", read], capture_output=True, check=True, text=True).stdout)
    assert len(page["results"]) == 3


def connect_as_customer(url: str) -> None:
    """What a browser does: the form of each page in turn."""
    browser = requests.Session()
    confirm = browser.get(url, timeout=10)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', confirm.text)
    assert token is not None
    leaving = browser.post(url, data={"csrfmiddlewaretoken": token[1]}, headers={"Referer": url}, timeout=10)
    target = re.search(r'http-equiv="refresh" content="\d+; ?url=([^"]+)"', leaving.text)
    assert target is not None, leaving.text
    authorize = target[1].replace("&amp;", "&")
    consent = browser.get(authorize, timeout=10)
    action = re.search(r'<form[^>]*action="([^"]*)"', consent.text)
    place = requests.compat.urljoin(authorize, action[1].replace("&amp;", "&") if action else "")
    hub_id = re.search(r'name="hubId"[^>]*value="(\d+)"', consent.text)
    assert hub_id is not None
    done = browser.post(place, data={"hubId": hub_id[1], "decision": "allow"}, timeout=20)
    assert done.status_code == 200, done.text
    assert "/oauth/hbdev/callback" in done.url


def kill_the_worker_and_wait_until_it_is_back(demo: dict[str, Any], folder: Path) -> None:
    """A worker that dies by SIGKILL is started again, and the platform goes on meanwhile."""
    workers = [line for line in processes_of(folder) if "celery" in line and " worker" in line]
    assert workers
    for line in workers:
        if "while :" not in line:
            os.kill(int(line.split()[0]), signal.SIGKILL)
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        fresh = [
            line
            for line in processes_of(folder)
            if "celery" in line and " worker" in line and "while :" not in line
        ]
        if fresh and not set(fresh) & set(workers):
            break
        time.sleep(0.3)
    else:
        raise AssertionError("the worker did not come back")
    assert requests.get(f"{demo['baseUrl']}/healthz", timeout=30).status_code == 200
