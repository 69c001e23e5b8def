"""A move between two real installations: other keys, other databases, and no customer is asked again."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests import factories
from tests.proxy.servers import Served
from tests.services import free_port
from tests.suite import ROOT

pytestmark = [pytest.mark.served, pytest.mark.slow]
PASSPHRASE = "correct horse battery staple"
START_SECONDS = 90.0


class Installation:
    """One data folder with keys of its own, worked with as an operator does."""

    def __init__(self, folder: Path, sandbox_url: str) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text(f"{PASSPHRASE}\n")
        self.passphrase.chmod(0o600)
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CACHE_URL")
        }
        self.env = inherited | {
            "PATCHBAY_ENV": "development",
            "PATCHBAY_DATA_DIR": str(folder),
            "SECRET_KEY": secrets.token_urlsafe(50),
            "FERNET_KEYS": Fernet.generate_key().decode(),
            "PUBLIC_URL": "http://localhost:8000",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "UPSTREAM_MAP": json.dumps(dict.fromkeys(factories.HUBSPOT_ORIGINS, sandbox_url)),
            "LOG_LEVEL": "ERROR",
            "PATCHBAY_BUNDLE_PASSPHRASE_FILE": str(self.passphrase),
        }
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *arguments: str, stdin: str = "", exits: int = 0) -> str:
        """What a command prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == exits, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if exits == 0 else done.stderr

    def answers(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        return dict(json.loads(self.manage(*arguments, "--json", stdin=stdin)))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        database = sqlite3.connect(self.folder / "patchbay.sqlite3", timeout=20)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    @contextmanager
    def served(self) -> Iterator[Served]:
        """The web process."""
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "config.asgi:application",
            "--http",
            "proxy.protocol:BoundedProtocol",
        ]
        command += ["--no-proxy-headers", "--no-access-log", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=subprocess.DEVNULL)
        try:
            yield _ready(Served(port, process.pid))
        finally:
            process.terminate()
            process.wait(timeout=20)


def _ready(one: Served) -> Served:
    give_up_at = time.monotonic() + START_SECONDS
    while True:
        try:
            assert one.call("GET", "/healthz").status == 200
            return one
        except ConnectionError:
            assert time.monotonic() < give_up_at, "the web process did not start"
            time.sleep(0.1)


def test_a_customer_moves_to_another_installation_and_is_not_asked_again(
    sandbox: Any, tmp_path: Path
) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"rotateRefreshTokens": True})
    app = sandbox.control(
        "POST",
        "/_control/apps",
        {
            "redirectUrls": ["http://localhost:8000/oauth/hbdev/callback"],
            "scopes": list(factories.SCOPES),
        },
    )
    here = Installation(tmp_path / "here", sandbox.url)
    here.manage(
        *("create_integration", "--provider", "hubspot", "--slug", "hbdev", "--client-id", app["clientId"]),
        *("--use-anyway", "--client-secret-file", "-"),
        stdin=app["clientSecret"],
    )
    partner = here.answers("create_partner", "--name", "Acme", "--integration", "hbdev")
    grants = [
        sandbox.control("POST", "/_control/grants", {"clientId": app["clientId"], "hubId": 62515})
        for _ in "ab"
    ]
    lines = [
        {
            "userForeignIdentifier": f"tenant-{number}",
            "accessToken": grant["accessToken"],
            "refreshToken": grant["refreshToken"],
            "expiresIn": lives,
            "id": 4_711 + number,
        }
        for number, (grant, lives) in enumerate(zip(grants, (1_800, 0), strict=True))
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines)
    arguments = ("import_connections", "-", "--partner", "Acme", "--integration", "hbdev")
    imported = here.answers(*arguments, "--check", stdin=content)
    assert (imported["adopted"], imported["checked"]) == (2, {"works": 2, "refused": 0, "unanswered": 0})

    bundle = tmp_path / "move.bundle"
    carried = ("--with-integrations", "--with-api-keys", "--hand-over")
    exported = here.answers("export_connections", "--output", str(bundle), *carried)
    assert (exported["connections"], exported["handed_over"]) == (2, 2)
    assert here.rows("SELECT DISTINCT status FROM integrations_connection") == [("paused",)]

    there = Installation(tmp_path / "there", sandbox.url)
    restoring = ("import_connections", str(bundle), "--format", "bundle")
    assert there.answers(*restoring, "--dry-run")["adopted"] == 2
    assert there.rows("SELECT count(*) FROM integrations_connection") == [(0,)]
    there.passphrase.write_text("another passphrase\n")
    assert "does not open this bundle" in there.manage(*restoring, exits=1)
    there.passphrase.write_text(PASSPHRASE)
    assert there.answers(*restoring)["adopted"] == 2
    assert there.answers(*restoring)["already_there"] == 2

    key = {"Authorization": f"Bearer {partner['apiKey']}"}
    query = "SELECT id FROM integrations_connection ORDER BY id"
    assert there.rows(query) == here.rows(query)
    with there.served() as served:
        for number in (0, 1):
            reply = served.call("GET", f"/proxy/hbdev/tenant-{number}/crm/v3/objects/contacts", key)
            assert reply.status == 200, reply
        for (connection_id,) in there.rows(query):
            path = f"/api/v1/connections/{_hyphened(connection_id)}/refresh"
            assert served.call("POST", path, key, b"").status == 200
        users = json.loads(served.call("GET", "/api/saas-org-user/get-users/hbdev", key).body)
        assert [user["id"] for user in users["userForeignIdentifiers"]] == [4_711, 4_712]
    asked = sandbox.control("GET", "/_control/requests?path=/oauth/authorize")
    assert asked == [], "no customer was asked again"
    assert not any(grant["refreshToken"].encode() in bundle.read_bytes() for grant in grants)


def _hyphened(connection_id: str) -> str:
    return "-".join(
        (
            connection_id[:8],
            connection_id[8:12],
            connection_id[12:16],
            connection_id[16:20],
            connection_id[20:],
        )
    )
