"""The process: start, state over a restart, refusals, stopping."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sandbox.state import UnreadableState
from sandbox.testing import running_sandbox
from tests.sandbox.consent import REDIRECT_URL, SCOPES, STARTER

ROOT = Path(__file__).resolve().parents[2]
CLIENT_ID = "7fff1e36-2d40-4ae1-bbb1-5266d59564fb"


def _environment(folder: Path, **changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    return kept | {"SANDBOX_PORT": "0", "PATCHBAY_DATA_DIR": str(folder)} | changes


@contextmanager
def _process(folder: Path, **changes: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "sandbox"]
    with subprocess.Popen(
        command, cwd=ROOT, env=_environment(folder, **changes), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith("sandbox listening on http://127.0.0.1:"), line
            yield process, line.split()[-1]
        finally:
            process.kill()


DEMO = {
    "SANDBOX_DEMO_CLIENT_ID": CLIENT_ID,
    "SANDBOX_DEMO_CLIENT_SECRET": "1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9",
    "SANDBOX_DEMO_APP_ID": "1160452",
    "SANDBOX_DEMO_REDIRECT_URL": REDIRECT_URL,
    "SANDBOX_DEMO_SCOPES": "oauth crm.objects.contacts.read",
    "SANDBOX_DEMO_OPTIONAL_SCOPES": "forms",
}


@pytest.mark.served
def test_process_makes_the_demo_app_and_stops_without_waiting_for_a_call_of_a_minute(tmp_path: Path) -> None:
    with _process(tmp_path, **DEMO) as (process, url):
        [app] = requests.get(f"{url}/_control/state", timeout=10).json()["apps"]
        assert (app["clientId"], app["appId"], app["redirectUrls"]) == (CLIENT_ID, 1160452, [REDIRECT_URL])
        assert (app["scopes"], app["optionalScopes"]) == (["oauth", "crm.objects.contacts.read"], ["forms"])
        ticks = [("scope", "crm.objects.contacts.read"), ("scope", "crm.objects.deals.read")]
        requests.post(f"{url}/developer/apps/{CLIENT_ID}/scopes", data=ticks, timeout=10)
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{url}/_slow/60", timeout=0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert stat.S_IMODE((tmp_path / "sandbox.json").stat().st_mode) == 0o600
    changed = DEMO | {
        "SANDBOX_DEMO_CLIENT_SECRET": "other",
        "SANDBOX_DEMO_REDIRECT_URL": "https://a.example.com/",
    }
    with _process(tmp_path, **changed) as (process, url):
        [app] = requests.get(f"{url}/_control/state", timeout=10).json()["apps"]
        assert (app["clientSecret"], app["redirectUrls"]) == (
            "other",
            [REDIRECT_URL, "https://a.example.com/"],
        )
        assert "crm.objects.deals.read" in app["scopes"], "what was ticked by hand stays"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


@pytest.mark.served
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SANDBOX_HOST": "0.0.0.0"}, "SANDBOX_HOST"),
        ({"SANDBOX_HOST": "example.com"}, "SANDBOX_HOST"),
        ({"SANDBOX_PORT": "x"}, "SANDBOX_PORT"),
        (DEMO | {"SANDBOX_DEMO_REDIRECT_URL": "http://127.0.0.1/"}, "SANDBOX_DEMO_REDIRECT_URL"),
    ],
)
def test_unsafe_or_wrong_settings_are_refused_by_name(
    tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    command = [sys.executable, "-m", "sandbox"]
    environment = _environment(tmp_path, **changes)
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert named in done.stderr


def test_grants_and_records_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "sandbox.json"
    with running_sandbox(path) as sandbox:
        app = sandbox.control("POST", "/_control/apps", {"scopes": SCOPES})
        grant = sandbox.control("POST", "/_control/grants", {"clientId": app["clientId"], "hubId": STARTER})
        headers = {"Authorization": f"Bearer {grant['accessToken']}"}
        contacts = "/crm/v3/objects/contacts"
        made = requests.post(
            sandbox.url + contacts,
            json={"properties": {"email": "kept@example.com"}},
            headers=headers,
            timeout=10,
        ).json()
        deadline = time.monotonic() + 30
        while made["id"] not in (path.read_text() if path.exists() else "") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert json.loads(path.read_text())["version"] == 1, "written while it runs, not only at the end"
    with running_sandbox(path) as sandbox:
        reply = requests.get(f"{sandbox.url}{contacts}/{made['id']}", headers=headers, timeout=10)
        assert reply.json()["properties"]["email"] == "kept@example.com"
        again = requests.post(
            sandbox.url + contacts, json={"properties": {}}, headers=headers, timeout=10
        ).json()
        assert int(again["id"]) > int(made["id"])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"apps": 3}'])
def test_unreadable_state_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sandbox.json"
    path.write_text(text)
    with pytest.raises(UnreadableState, match=r"sandbox\.json is not a state file"), running_sandbox(path):
        pass
    assert path.read_text() == text
