"""A production start with an unsafe or missing value is refused, by name and with a right value."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suite import ROOT

_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
GOOD = {
    "PATCHBAY_ENV": "production",
    "SECRET_KEY": "k" * 20 + "abcdefghijklmnopqrstuvwxyz0123456789",
    "FERNET_KEYS": _KEY,
    "PUBLIC_URL": "https://connect.example.com",
    "ALLOWED_HOSTS": "connect.example.com",
}


def start(tmp_path: Path, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of its own; a change of None leaves the variable out."""
    values = {**GOOD, "PATCHBAY_DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"], **changes}
    env = {name: value for name, value in values.items() if value is not None}
    program = "from django.conf import settings; print(settings.PATCHBAY_ENV, settings.PUBLIC_URL)"
    env["DJANGO_SETTINGS_MODULE"] = "config.settings"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_complete_production_environment_starts(tmp_path: Path) -> None:
    done = start(tmp_path)
    assert done.stdout.split() == ["production", "https://connect.example.com"], done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", None),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "a" * 60),
        ("FERNET_KEYS", None),
        ("FERNET_KEYS", "not-a-key"),
        ("FERNET_KEYS", f"{_KEY},{'x' * 44}"),
        ("PUBLIC_URL", None),
        ("PUBLIC_URL", "http://connect.example.com"),
        ("PUBLIC_URL", "https://connect.example.com/path"),
        ("ALLOWED_HOSTS", None),
        ("ALLOWED_HOSTS", "*"),
        ("UPSTREAM_MAP", '{"https://api.hubapi.com": "http://127.0.0.1:1"}'),
        ("PATCHBAY_ENV", "staging"),
    ],
)
def test_adm_05_an_unsafe_value_is_refused_by_name(tmp_path: Path, name: str, value: str | None) -> None:
    done = start(tmp_path, **{name: value})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert name in last
    assert "A right value:" in last


@pytest.mark.parametrize("value", ["none", "ALL", "error", ""])
def test_a_traffic_log_that_is_none_of_its_words_is_refused(tmp_path: Path, value: str) -> None:
    done = start(tmp_path, TRAFFIC_LOG=value)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith(f"TRAFFIC_LOG is {value!r}. A right value: all, errors or off")


@pytest.mark.parametrize("value", ["all", "errors", "off"])
def test_each_word_of_the_traffic_log_starts(tmp_path: Path, value: str) -> None:
    assert start(tmp_path, TRAFFIC_LOG=value).returncode == 0


def test_every_variable_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(GOOD["SECRET_KEY"])
    assert start(tmp_path, SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "key")).returncode == 0


def test_the_process_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PUBLIC_URL='https://file.example'\nALLOWED_HOSTS='file.example'\n")
    assert "https://connect.example.com" in start(tmp_path).stdout
    assert "https://file.example" in start(tmp_path, PUBLIC_URL=None).stdout
