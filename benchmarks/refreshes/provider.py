"""The sandbox as the provider: its process, its control API, and the app that is registered there."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from benchmarks.installation import ROOT
from benchmarks.servers import stop

CLIENT_ID = "bench-client"
CLIENT_SECRET = "bench-secret"
HUB_ID = 62515
SCOPES = ["oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read"]


class Control:
    """The sandbox's control API over one connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def __call__(self, method: str, path: str, payload: Any = None) -> Any:
        """The parsed reply. Raises RuntimeError for a refusal."""
        body = None if payload is None else json.dumps(payload)
        self._connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
        reply = self._connection.getresponse()
        text = reply.read().decode()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:300]}")
        return json.loads(text) if text else None


@contextmanager
def sandbox() -> Iterator[tuple[str, int]]:
    """The sandbox as a process of its own: (URL, process id)."""
    with tempfile.TemporaryDirectory(prefix="patchbay-bench-sandbox-") as folder:
        environment = {**os.environ, "PATCHBAY_DATA_DIR": folder, "SANDBOX_PORT": "0"}
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox"], cwd=ROOT, env=environment, stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            found = re.search(rb"http://\S+", process.stdout.readline())
            if found is None:
                raise RuntimeError("The sandbox did not start.")
            yield found.group().decode(), process.pid
        finally:
            stop(process)
