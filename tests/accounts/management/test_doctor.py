"""`manage.py doctor`."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.db.migrations.recorder import MigrationRecorder

from accounts import health
from accounts.health import Health


@pytest.fixture(autouse=True)
def _two_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_checks", {"first": lambda: Health(True), "second": lambda: Health(True)})


def run() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("doctor", stdout=out, no_color=True)
    except SystemExit as leaving:
        return int(leaving.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_a_well_installation_exits_with_0(db: Any) -> None:
    code, text = run()
    assert code == 0
    assert text.splitlines()[:3] == ["ok      first", "ok      second", "ok      migrations"]
    assert text.endswith("All is well.\n")


def test_an_unwell_part_exits_with_1_and_says_what_to_do(db: Any) -> None:
    health.register("second", lambda: Health(False, "Start the worker."))
    code, text = run()
    assert code == 1
    assert "BAD     second: Start the worker." in text


def test_a_check_that_raises_is_unwell(db: Any) -> None:
    def broken() -> Health:
        raise RuntimeError("with a secret in it")

    health.register("second", broken)
    code, text = run()
    assert code == 1
    assert "with a secret in it" not in text


def test_a_migration_that_is_missing_is_told(db: Any) -> None:
    MigrationRecorder.Migration.objects.filter(app="integrations").delete()
    code, text = run()
    assert code == 1
    assert "BAD     migrations: " in text
    assert "manage.py migrate" in text


@pytest.mark.parametrize(
    ("message", "code"),
    [(checks.Error("broken", hint="mend it", id="x.E1"), 1), (checks.Warning("odd", id="x.W1"), 0)],
)
def test_errors_of_djangos_checks_count_and_warnings_do_not(
    db: Any, monkeypatch: pytest.MonkeyPatch, message: checks.CheckMessage, code: int
) -> None:
    monkeypatch.setattr(checks, "run_checks", lambda **_: [message])
    got, text = run()
    assert got == code
    assert str(message.id) in text
