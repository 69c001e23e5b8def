"""`python -m benchmarks.chaos.inside SANDBOX_URL`: the installation's rows and its broker, asked over a pipe.

Reads one JSON array a line, `[command, …]`, and answers each with one line of JSON. The first line, unasked,
is {"apiKey", "slug"} of the partner that calls.
"""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace
from typing import Any

import django

from benchmarks.refreshes.provider import HUB_ID, Control

#: high enough never to refuse, and yet a limit: every call is counted in the cache, as a real partner's are
REQUESTS_PER_MINUTE = 1_000_000
SWEEPS, JOBS = 2, 6


class Inside:
    """Made after django.setup()."""

    def __init__(self, control: Control) -> None:
        from tests import factories

        self._control = control
        self._world = factories.world("Chaos", "chaos")
        self._world.partner.requests_per_minute = REQUESTS_PER_MINUTE
        self._world.partner.save()
        self._world.register_at(SimpleNamespace(control=control))
        self.greeting = {"apiKey": self._world.api_key, "slug": self._world.integration.slug}

    def connect(self, identifier: str) -> dict[str, Any]:
        """A connection whose access token has expired; no other one is due."""
        from django.utils import timezone

        from integrations.models import Connection
        from tests import factories

        Connection.objects.update(next_refresh_at=None)
        grant = {"clientId": self._world.client.client_id, "hubId": HUB_ID}
        granted = self._control("POST", "/_control/grants", grant)
        made = factories.connection(
            self._world,
            identifier,
            access_token=granted["accessToken"],
            refresh_token=granted["refreshToken"],
            expires_in=0,
            next_refresh_at=timezone.now(),
        )
        return {"id": str(made.pk)}

    def enqueue(self, connection_id: str) -> dict[str, Any]:
        """Hand refresh work for the connection to the broker, until it fails: {"sent", "failed", "seconds"}."""
        from integrations.tasks import refresh_connection, refresh_due

        sent, slowest, failed = 0, 0.0, ""
        for number in range(SWEEPS + JOBS):
            started = time.monotonic()
            try:
                if number < SWEEPS:
                    refresh_due.delay()
                else:
                    refresh_connection.delay(connection_id)
                sent += 1
            except Exception as error:  # noqa: BLE001 (whatever the broker raises is what is to be shown)
                failed = type(error).__name__
            slowest = max(slowest, time.monotonic() - started)
            if failed:
                break
        return {"sent": sent, "failed": failed, "seconds": round(slowest, 2)}

    def beat(self) -> dict[str, Any]:
        """Send the worker's heartbeat, as beat does."""
        from accounts.tasks import worker_heartbeat

        try:
            worker_heartbeat.delay()
        except Exception as error:  # noqa: BLE001 (as above)
            return {"failed": type(error).__name__}
        return {"failed": ""}

    def look(self, connection_id: str) -> dict[str, Any]:
        """{"status", "reason", "version", "lost"}: lost when the provider no longer takes what is stored."""
        from integrations.models import Connection

        row = Connection.objects.get(pk=connection_id)
        held = row.refresh_token.open().reveal() if row.refresh_token else None
        tokens = self._control("GET", "/_control/state")["refreshTokens"]
        living = {token["token"] for token in tokens if not token["rotated"]}
        return {
            "status": str(row.status),
            "reason": row.status_reason,
            "version": row.token_version,
            "lost": held not in living,
        }


def main() -> None:
    django.setup()
    inside = Inside(Control(sys.argv[1]))
    print(json.dumps(inside.greeting), flush=True)
    for line in sys.stdin:
        command, *words = json.loads(line)
        print(json.dumps(getattr(inside, command)(*words)), flush=True)


if __name__ == "__main__":
    main()
