"""Web processes that are exchanged one by one under load, as in a rolling restart, each with its own FERNET_KEYS."""

from __future__ import annotations

import html
import itertools
import json
import operator
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from integrations.models import Connection
from tests.factories import World
from tests.integrations.pages.conftest import token_in
from tests.proxy.servers import Served
from tests.proxy.test_processes import _database_url, _wait_for
from tests.services import free_port
from tests.suite import ROOT

CONTACTS = "/crm/v3/objects/contacts"
_FIRST_HUB = 7_000_000
HOLD_SECONDS = 180


def environment(keys: list[str], upstreams: dict[str, str], folder: Path) -> dict[str, str]:
    """Of a process on the test's database with these keys, newest first."""
    return os.environ | {
        "DATABASE_URL": _database_url(),
        "UPSTREAM_MAP": json.dumps(upstreams),
        "FERNET_KEYS": ",".join(keys),
        "PATCHBAY_DATA_DIR": str(folder),
        "LOG_LEVEL": "WARNING",
    }


class Fleet:
    """Processes by name. A successor takes over before the one of that name ends, as behind a load balancer."""

    def __init__(self, upstreams: dict[str, str], folder: Path) -> None:
        self._upstreams, self._folder = upstreams, folder
        self._running: dict[str, tuple[Served, subprocess.Popen[bytes]]] = {}
        self._in_flight: Counter[int] = Counter()
        self._changed = threading.Condition()
        self.log = folder / "web.log"

    def exchange(self, **keys_of: list[str]) -> None:
        """Start these processes with these keys, send traffic to them, and end their predecessors gracefully."""
        started = {name: self._start(keys) for name, keys in keys_of.items()}
        for served, _ in started.values():
            _wait_for(served)
        with self._changed:
            replaced = [self._running[name] for name in started if name in self._running]
            self._running |= started
        for served, process in replaced:
            with self._changed:
                assert self._changed.wait_for(lambda port=served.port: not self._in_flight[port], timeout=30)
            process.terminate()
            process.wait(timeout=20)

    def _start(self, keys: list[str]) -> tuple[Served, subprocess.Popen[bytes]]:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--loop", "uvloop"]
        command += ["--http", "proxy.protocol:BoundedProtocol", "--no-access-log", "--port", str(port)]
        env = environment(keys, self._upstreams, self._folder)
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        return Served(port, process.pid), process

    @contextmanager
    def one(self, name: str | None = None) -> Iterator[str]:
        """The base URL of a process, which is not ended meanwhile."""
        with self._changed:
            served, _ = self._running[name or random.choice(list(self._running))]
            self._in_flight[served.port] += 1
        try:
            yield f"http://localhost:{served.port}"
        finally:
            with self._changed:
                self._in_flight[served.port] -= 1
                self._changed.notify_all()

    def manage(self, keys: list[str], *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=environment(keys, self._upstreams, self._folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def close(self) -> None:
        for _, process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for _, process in self._running.values():
            process.wait(timeout=20)


class Load:
    """Partners' calls, and customers who connect, until it is stopped. Whatever goes wrong is kept."""

    def __init__(self, fleet: Fleet, at: World, sandbox: Any, *, customers: list[str]) -> None:
        self.at = at
        self._fleet, self._sandbox, self._customers = fleet, sandbox, customers
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count()
        self.calls, self.connected = Counter[str](), Counter[str]()
        self.ran_out = 0
        self.failures: list[str] = []

    def __enter__(self) -> Load:
        for work in (self._call, self._call, self._call, self._connect):
            thread = threading.Thread(target=self._until_stopped, args=(work,))
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def hold(self, *, calls: int, refreshes: int, connected: int = 0) -> tuple[int, int]:
        """Let it run until it did as much as this, however slow the machine; (calls, refreshes) of that time."""
        wanted = (calls, refreshes, connected)
        before, give_up_at = self._done(), time.monotonic() + HOLD_SECONDS
        while True:
            done = tuple(now - was for now, was in zip(self._done(), before, strict=True))
            if all(map(operator.ge, done, wanted)):
                return done[0], done[1]
            told = f"{done} of {wanted} (calls, refreshes, connected)"
            assert not self.failures, f"after {told}: {self.failures}"
            assert time.monotonic() < give_up_at, f"only {told} in {HOLD_SECONDS} s"
            time.sleep(0.1)

    def _done(self) -> tuple[int, int, int]:
        return self.calls.total(), versions(), self.connected.total()

    def _until_stopped(self, work: Any) -> None:
        while not self._stop.is_set():
            try:
                work()
            except Exception as error:
                self.failures.append(f"{work.__name__}: {error!r}"[:500])
                time.sleep(0.2)

    def _call(self) -> None:
        headers = {"Authorization": f"Bearer {self.at.api_key}"}
        who = random.choice(self._customers)
        with self._fleet.one() as base:
            reply = requests.get(f"{base}/proxy/hbdev/{who}{CONTACTS}", headers=headers, timeout=60)
        self.calls[base] += 1
        if reply.status_code == 401 and "EXPIRED_AUTHENTICATION" in reply.text:
            self.ran_out += 1  # on its way to the provider, with a life so short: nothing of ours
            return
        assert reply.status_code == 200, f"{who} {reply.status_code} {reply.text}"

    def _connect(self) -> None:
        """Each step at whichever process comes: what one has sealed another opens."""
        number = next(self._numbers)
        hub = _FIRST_HUB + number
        self._sandbox.control("POST", "/_control/accounts", {"hubId": hub})
        headers = {"Authorization": f"Bearer {self.at.api_key}"}
        wanted = {"appSlug": "hbdev", "userForeignIdentifier": f"new-{number}"}
        with self._fleet.one() as base:
            made = requests.post(f"{base}/api/v1/connect-links", json=wanted, headers=headers, timeout=60)
        assert made.status_code == 201, made.text
        path = urlsplit(made.json()["url"]).path
        with requests.Session() as browser:
            with self._fleet.one() as base:
                page = browser.get(f"{base}{path}", timeout=60)
            with self._fleet.one() as base:
                form = {"csrfmiddlewaretoken": token_in(page.content)}
                left = browser.post(f"{base}{path}", data=form, timeout=60)
            found = re.search(rb'http-equiv="refresh" content="0; url=([^"]+)"', left.content)
            assert found, f"{left.status_code} {left.text[:300]}"
            consent = {"hubId": str(hub), "decision": "allow"}
            away = html.unescape(found[1].decode())
            back = requests.post(away, data=consent, allow_redirects=False, timeout=60)
            with self._fleet.one() as base:
                query = urlsplit(back.headers["Location"]).query
                done = browser.get(f"{base}/oauth/hbdev/callback?{query}", timeout=60)
        assert done.status_code == 200, f"callback {done.status_code} {done.text[:300]}"
        self.connected[base] += 1
        self._customers.append(f"new-{number}")
        self._stop.wait(0.3)


def versions() -> int:
    """How many pairs of tokens were stored so far."""
    return sum(Connection.objects.values_list("token_version", flat=True))
