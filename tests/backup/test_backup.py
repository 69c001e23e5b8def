"""`manage.py backup`: a whole copy, private, described, without a key in it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from integrations.backup import copying
from sealing import keyring
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_backup_is_private_described_and_holds_no_key(tmp_path: Path, settings: Any) -> None:
    factories.connection(factories.world(), access_token="CAccess-that-stays-sealed")
    folder = tmp_path / "monday"
    call_command("backup", "--to", str(folder))
    made = json.loads((folder / "manifest.json").read_text())
    assert mode_of(folder) == 0o700
    assert {mode_of(path) for path in folder.iterdir()} == {0o600}
    assert sorted(path.name for path in folder.iterdir()) == sorted(["manifest.json", made["file"]])
    assert made["database"] == connection.vendor
    assert made["keys"] == list(keyring.ring().fingerprints)
    assert "integrations.0001_initial" in made["migrations"]
    assert made["version"] == "0.1.0"
    content = (folder / made["file"]).read_bytes() + (folder / "manifest.json").read_bytes()
    assert settings.FERNET_KEYS[0].encode() not in content
    assert b"CAccess-that-stays-sealed" not in content


def test_the_manifest_names_an_older_key_that_values_are_still_under(tmp_path: Path, settings: Any) -> None:
    factories.connection(factories.world())
    unused, newest = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FERNET_KEYS = [newest, *settings.FERNET_KEYS, unused]
    call_command("backup", "--to", str(tmp_path / "backup"))
    made = json.loads((tmp_path / "backup" / "manifest.json").read_text())
    assert made["keys"] == list(keyring.ring().fingerprints[:2])


def test_a_target_that_is_there_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(CommandError, match="is there already"):
        call_command("backup", "--to", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(copying, "copy_to", fail)
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("backup", "--to", str(tmp_path / "backup"))
    assert list(tmp_path.iterdir()) == []


def test_the_password_goes_by_the_environment_and_never_by_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def note(arguments: list[str], *, env: dict[str, str], **_: Any) -> Any:
        tried.append((arguments, env))
        raise FileNotFoundError

    monkeypatch.setattr(connection, "vendor", "postgresql")
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "hunter2-of-the-database")
    monkeypatch.setattr(copying.subprocess, "run", note)
    with pytest.raises(copying.BackupError, match="pg_dump cannot be run"):
        copying.copy_to(tmp_path / "copy")
    ((arguments, environment),) = tried
    assert environment["PGPASSWORD"] == "hunter2-of-the-database"
    assert "hunter2" not in " ".join(arguments)
