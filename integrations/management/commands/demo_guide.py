"""`manage.py demo_guide`: waits until the demo can be used, then says what to do with it. Part of the Procfile."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand

from accounts import health
from accounts.tasks import worker_heartbeat
from integrations.management.commands.seed_demo import demo_path, pending_path

_WAIT_SECONDS = 90
_SCREEN = """
  Patchbay is ready.

  Admin          {adminUrl}   {adminUsername} / {adminPassword}
  API docs       {baseUrl}/api/docs
  HubSpot's part {sandboxUrl}/developer/apps   (the sandbox; no account needed)
  Keys           {file}

  Make a link for one of your customers, open the url it prints, and choose an account:

    curl -s -X POST {baseUrl}/api/v1/connect-links \\
      -H "Authorization: Bearer {apiKey}" -H "Content-Type: application/json" \\
      -d '{{"appSlug": "{appSlug}", "userForeignIdentifier": "customer-1"}}'

  Then read that customer's contacts:

    curl -s "{baseUrl}/proxy/{appSlug}/customer-1/crm/v3/objects/contacts?limit=3" \\
      -H "Authorization: Bearer {apiKey}"

  Ctrl-C stops everything. Logs: {logs}
"""


class Command(BaseCommand):
    help = "Wait for the demo to be ready, write demo.json and print what to do next."

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._wait_and_tell()
            while True:
                signal.pause()
        except KeyboardInterrupt:
            return

    def _wait_and_tell(self) -> None:
        answers = json.loads(pending_path().read_text(encoding="utf-8"))
        give_up_at = time.monotonic() + _WAIT_SECONDS
        worker_heartbeat.delay()
        while (missing := _missing(answers)) and time.monotonic() < give_up_at:
            time.sleep(0.3)
        if missing:
            self.stderr.write(
                f"Not ready after {_WAIT_SECONDS} s: {missing}. Look into {settings.DATA_DIR / 'log'}."
            )
            return
        pending_path().replace(demo_path())
        self.stdout.write(_SCREEN.format(**answers, file=demo_path(), logs=settings.DATA_DIR / "log"))
        self.stdout.flush()


def _missing(answers: dict[str, Any]) -> str:
    """What does not answer yet, or nothing."""
    names = [name for name, result in health.run().items() if not result.is_well]
    for name, url in (("web", answers["baseUrl"]), ("sandbox", answers["sandboxUrl"])):
        if not _listens(url):
            names.append(name)
    return ", ".join(names)


def _listens(url: str) -> bool:
    """Whether something takes connections there; a look at our own processes, not a request to anybody."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1):
            return True
    except OSError:
        return False
