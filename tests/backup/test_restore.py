"""`manage.py restore`: everything comes back but what has ended since."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Customer, Partner
from accounts.models.audit import AuditEntry
from integrations import tokens
from integrations.backup import manifest, settling
from integrations.connections.disconnect import disconnect
from integrations.connections.use import pause
from integrations.models import Connection, PendingRevocation
from integrations.models.connection import Status
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

LEFT = Path(configured.DATA_DIR) / "restore-unfinished.states"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Of an installation with two connections, `kept` and `ended`."""
    world = factories.world()
    factories.connection(world, "kept", access_token="CAccess-of-the-backup")
    factories.connection(world, "ended")
    call_command("backup", "--to", str(tmp_path / "backup"))
    return tmp_path / "backup"


@pytest.fixture(autouse=True)
def _nothing_left() -> Any:
    yield
    LEFT.unlink(missing_ok=True)


def of(identifier: str) -> Connection:
    return Connection.objects.get(customer=Customer.objects.get(foreign_identifier=identifier))


def restore(folder: Path, *words: str) -> str:
    out = StringIO()
    call_command("restore", "--from", str(folder), *words, stdout=out)
    return out.getvalue()


def lose_everything() -> None:
    PendingRevocation.objects.all().delete()
    Connection.objects.all().delete()
    for model in (Partner, factories.Integration):
        model._base_manager.all().delete()


def test_what_was_disconnected_after_the_backup_stays_disconnected(backup: Path) -> None:
    disconnect(of("ended"), actor=factories.ACTOR)
    PendingRevocation.objects.all().delete()  # the provider was told
    restore(backup, "--replace")
    ended = of("ended")
    assert (ended.status, ended.access_token, ended.refresh_token) == (Status.DISCONNECTED, None, None)
    assert PendingRevocation.objects.filter(connection=ended).count() == 1  # what came back is told again
    assert of("kept").status == Status.ACTIVE
    assert not LEFT.exists()


def test_what_goes_on_has_its_tokens_and_is_refreshed_before_its_next_use(backup: Path) -> None:
    Connection.objects.filter(pk=of("kept").pk).update(provider_account_name="renamed since")
    before = timezone.now()
    restore(backup, "--replace")
    kept = of("kept")
    assert kept.provider_account_name == "meowmix.com"
    assert tokens.open_tokens(kept)["access_token"] == "CAccess-of-the-backup"
    for moment in (kept.access_token_expires_at, kept.next_refresh_at):
        assert moment is not None
        assert before <= moment <= timezone.now()


def test_the_restore_stands_in_the_audit_trail(backup: Path) -> None:
    disconnect(of("ended"), actor=factories.ACTOR)
    restore(backup, "--replace")
    told = AuditEntry.objects.get(action="installation.restored").changes
    assert told["backup_made_at"] == json.loads((backup / "manifest.json").read_text())["made_at"]
    assert (told["ended"], told["paused"], told["unknown_accepted"]) == (1, 0, False)


def test_what_was_paused_after_the_backup_stays_paused(backup: Path) -> None:
    pause(of("kept"), actor=factories.ACTOR)
    restore(backup, "--replace")
    assert of("kept").status == Status.PAUSED


def test_what_the_replaced_database_does_not_know_is_paused(backup: Path) -> None:
    of("ended").delete()
    restore(backup, "--replace")
    assert (of("ended").status, of("kept").status) == (Status.PAUSED, Status.ACTIVE)


def test_into_an_empty_database_everything_is_paused_because_nobody_knows(backup: Path) -> None:
    lose_everything()
    # An empty database is another installation than the lost one.
    settling.KeyCheck.objects.update(created_at=timezone.now())
    assert "paused     2" in restore(backup)
    assert {of("kept").status, of("ended").status} == {Status.PAUSED}


def test_unknown_ones_go_on_only_when_that_is_accepted_in_words(backup: Path) -> None:
    lose_everything()
    settling.KeyCheck.objects.update(created_at=timezone.now())
    restore(backup, "--accept-unknown")
    assert {of("kept").status, of("ended").status} == {Status.ACTIVE}
    assert AuditEntry.objects.get(action="installation.restored").changes["unknown_accepted"] is True


def test_a_list_of_states_ends_what_ended_when_the_database_is_lost(backup: Path, tmp_path: Path) -> None:
    disconnect(of("ended"), actor=factories.ACTOR)
    call_command("backup", "--states", str(tmp_path / "states"), stdout=StringIO())
    lose_everything()
    restore(backup, "--states", str(tmp_path / "states"))
    assert (of("ended").status, of("kept").status) == (Status.DISCONNECTED, Status.PAUSED)


def test_a_list_that_is_older_than_the_backup_is_refused(backup: Path, tmp_path: Path) -> None:
    call_command("backup", "--states", str(tmp_path / "states"), stdout=StringIO())
    call_command("backup", "--to", str(tmp_path / "later"), stdout=StringIO())
    with pytest.raises(CommandError, match="older than the backup"):
        restore(tmp_path / "later", "--replace", "--states", str(tmp_path / "states"))


def test_a_list_that_was_cut_off_is_refused(backup: Path, tmp_path: Path) -> None:
    states = tmp_path / "states"
    call_command("backup", "--states", str(states), stdout=StringIO())
    states.write_text("".join(states.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(CommandError, match="no whole list"):
        restore(backup, "--replace", "--states", str(states))


def test_a_restore_that_was_killed_before_settling_still_ends_what_ended(
    backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    disconnect(of("ended"), actor=factories.ACTOR)
    with monkeypatch.context() as patched:
        patched.setattr(settling, "settle", die)
        with pytest.raises(KeyboardInterrupt):
            restore(backup, "--replace")
    assert of("ended").status == Status.ACTIVE  # the danger: the database itself knows no better now
    restore(backup, "--replace")
    assert of("ended").status == Status.DISCONNECTED
    assert not LEFT.exists()


def test_a_database_that_is_not_empty_is_replaced_only_on_request(backup: Path) -> None:
    Connection.objects.update(provider_account_name="later")
    with pytest.raises(CommandError, match="--replace"):
        restore(backup)
    assert of("kept").provider_account_name == "later"


def test_a_backup_whose_key_is_missing_changes_nothing(backup: Path, settings: Any) -> None:
    needed = json.loads((backup / "manifest.json").read_text())["keys"][0]
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match=f"lacks the keys {needed}"):
        restore(backup, "--replace")
    assert not AuditEntry.objects.filter(action="installation.restored").exists()


@pytest.mark.parametrize(
    ("member", "value", "refusal"),
    [
        ("format", 2, "another format"),
        ("database", "oracle", "is of oracle"),
        ("migrations", ["integrations.9999_of_tomorrow"], "newer version"),
        ("file", "../elsewhere", "another format"),
        ("sha256", "0" * 64, "damaged or was changed"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(backup: Path, member: str, value: Any, refusal: str) -> None:
    path = backup / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), member: value}))
    with pytest.raises(CommandError, match=refusal):
        restore(backup, "--replace")


def test_a_copy_that_cannot_be_loaded_leaves_the_database_as_it_was(backup: Path) -> None:
    Connection.objects.update(provider_account_name="later")
    path = backup / "manifest.json"
    made = json.loads(path.read_text())
    (backup / made["file"]).write_bytes(b"no database " * 500)
    path.write_text(json.dumps({**made, "sha256": manifest.sha256_of(backup / made["file"])}))
    with pytest.raises(CommandError):
        restore(backup, "--replace")
    assert of("kept").provider_account_name == "later"
    assert not LEFT.exists()
