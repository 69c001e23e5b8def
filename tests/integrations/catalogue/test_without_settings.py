"""Whoever writes an entry can hold it to the schema where nothing is installed: no keys, no database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integrations.catalogue.entry import ENTRY, changed, write_entry
from tests.suite import ROOT


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    environment |= {"PATCHBAY_DATA_DIR": str(folder / "no-such-folder")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    "environment",
    [{}, {"PATCHBAY_ENV": "production", "SECRET_KEY_FILE": "/no/such/file"}],
    ids=["none", "wrong"],
)
def test_a_folder_is_validated_without_keys_and_without_a_database(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / "entries"
    folder.mkdir()
    write_entry(folder, ENTRY)
    done = run(tmp_path, "catalogue", "validate", "--folder", str(folder), **environment)
    assert (done.returncode, done.stdout) == (0, "1 entry, all well.\n"), done.stderr
    write_entry(folder, changed((("api", "hosts"), [])))
    done = run(tmp_path, "catalogue", "validate", "--folder", str(folder), **environment)
    assert done.returncode == 1
    assert "acme.yaml: $.api.hosts" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["entries"]


def test_other_commands_still_ask_for_their_settings(tmp_path: Path) -> None:
    done = run(tmp_path, "catalogue", "scaffold", "acme")
    assert done.returncode != 0
    assert "SECRET_KEY is missing" in done.stderr
