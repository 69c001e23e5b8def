"""`manage.py rotate_keys`."""

import io
import re

import pytest
from django.core.management import CommandError, call_command

from sealing import Secret
from sealing.keyring import fingerprint
from sealing.management.commands import rotate_keys as rotation_command
from sealing.models import KeyCheck
from tests.sealing.models import Account
from tests.sealing.test_rotation import values

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def run(**options):
    out = io.StringIO()
    call_command("rotate_keys", stdout=out, no_color=True, **options)
    return out.getvalue()


def test_the_command_prints_a_table(settings, keys, rows):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    lines = [line.split() for line in run(batch_size=2).splitlines()]
    assert lines[0] == ["newest", "key:", fingerprint(keys[1]) + ";", "older", "keys:", fingerprint(keys[0])]
    assert lines[1] == ["column", "scanned", "resealed", "unreadable", "raced"]
    assert ["sealing_tests_account.token", "7", "7", "0", "0"] in lines
    assert ["sealing_tests_account.other", "0", "0", "0", "0"] in lines


def test_a_dry_run_counts_and_writes_nothing(settings, keys, rows):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    out = run(dry_run=True)
    assert ["sealing_tests_account.token", "7", "7", "0", "0"] in [line.split() for line in out.splitlines()]
    assert "Dry run" in out
    settings.FERNET_KEYS = [keys[0]]
    assert len(values()) == 7


def test_the_command_fails_when_rows_are_unreadable(settings, keys, rows, write_raw):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    write_raw(rows[2], "token", b"broken")
    with pytest.raises(CommandError, match="FERNET_KEYS") as caught:
        run()
    assert caught.value.returncode == 1
    assert str(rows[2].pk) in str(caught.value) and "broken" not in str(caught.value)
    settings.FERNET_KEYS = [keys[1]]
    assert Account.objects.filter(pk=rows[3].pk).get().token.is_readable()


def test_the_command_refuses_an_empty_batch(keys):
    with pytest.raises(CommandError, match="batch-size"):
        run(batch_size=0)


def test_the_help_tells_the_three_steps(capsys):
    from sealing.management.commands.rotate_keys import Command

    text = Command().create_parser("manage.py", "rotate_keys").format_help()
    assert re.search(r"\n  1\. Add .*END.*\n  2\. Move .*FRONT.*\n  3\. Run .* remove the old key", text)


# --- when the old key may go --------------------------------------------------------------------------------
def test_the_command_ends_well_only_after_a_pass_that_found_nothing_to_do(settings, keys, rows):
    old, new = keys
    settings.FERNET_KEYS = [new, old]
    out = run()
    assert out.count("pass 2") == 1 and "pass 3" not in out
    assert f"The older key {fingerprint(old)} may be removed" in out
    settings.FERNET_KEYS = [new]
    assert "may be removed" not in run()


def write_behind(settings, keys, monkeypatch, *, passes):
    """A process that still has the old key first stores a value behind each of so many passes."""
    old, new = keys
    whole, left = rotation_command.rotate_all, [passes]

    def with_a_late_writer(**options):
        yield from whole(**options)
        if left[0] > 0:
            left[0] -= 1
            settings.FERNET_KEYS = [old, new]
            Account.objects.create(name=f"late-{left[0]}", token=Secret("late"))
            settings.FERNET_KEYS = [new, old]

    monkeypatch.setattr(rotation_command, "rotate_all", with_a_late_writer)


def test_what_another_process_seals_behind_a_pass_is_found_by_the_next(settings, keys, rows, monkeypatch):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    write_behind(settings, keys, monkeypatch, passes=2)
    out = run()
    assert "pass 3" in out and "may be removed" in out
    settings.FERNET_KEYS = [keys[1]]
    assert len(values()) == 9


def test_a_process_that_goes_on_sealing_under_the_old_key_is_told_and_the_exit_code_is_1(
    settings, keys, rows, monkeypatch
):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    write_behind(settings, keys, monkeypatch, passes=99)
    with pytest.raises(CommandError, match="every process") as caught:
        run()
    assert caught.value.returncode == 1


def test_check_writes_nothing_and_tells_whether_the_old_key_may_go(settings, keys, rows):
    old, new = keys
    settings.FERNET_KEYS = [new, old]
    before = {row.pk: row.token for row in Account.objects.all()}
    with pytest.raises(CommandError, match="8 values are under an older key: run rotate_keys") as caught:
        run(check=True)
    assert caught.value.returncode == 1
    assert before == {row.pk: row.token for row in Account.objects.all()}
    run()
    assert f"The older key {fingerprint(old)} may be removed" in run(check=True)
    settings.FERNET_KEYS = [new]
    assert "Every value is under the newest key." in run(check=True)


def test_check_names_what_no_key_opens(settings, keys, rows, write_raw):
    write_raw(rows[3], "token", b"broken")
    with pytest.raises(CommandError, match="1 stored values open with no key") as caught:
        run(check=True)
    assert f"sealing_tests_account.token:{rows[3].pk}" in str(caught.value)


def test_a_ring_that_is_not_valid_is_told_and_no_traceback(settings, keys):
    settings.FERNET_KEYS = ["nonsense"]
    with pytest.raises(CommandError, match="FERNET_KEYS"):
        run(check=True)


def test_progress_is_told_on_stderr(settings, keys, rows, monkeypatch):
    settings.FERNET_KEYS = [keys[1], keys[0]]
    monkeypatch.setattr(rotation_command, "_PROGRESS_SECONDS", 0.0)
    err = io.StringIO()
    run(batch_size=2, stderr=err)
    assert "sealing_tests_account.token: 4 rows so far" in err.getvalue()


def test_the_key_that_the_canary_is_under_is_written_down(settings, keys):
    old, new = keys
    settings.FERNET_KEYS = [new, old]
    run(dry_run=True)
    assert KeyCheck.objects.get().key_fingerprint == ""
    run()
    assert KeyCheck.objects.get().key_fingerprint == fingerprint(new)
