"""What `make test` and `make check` say of what they could not run."""

from __future__ import annotations

import shutil

import pytest

from tests import check, services, suite


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has none of the programs."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(services, "_postgres_bin", lambda: None)


def test_each_group_that_a_machine_cannot_run_is_named_with_what_it_needs(
    bare: None, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.tell_not_run(*check.without_servers(), suite.LONG_SUITES)
    told = capsys.readouterr().out.splitlines()
    assert all(line.startswith("NOT RUN  ") for line in told)
    for word in ("chromium", "nodejs npm", "postgresql", "redis-server", "make check-full"):
        assert sum(word in line for line in told) == 1, word


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_only_ci_fails_where_there_are_no_servers(
    bare: None, monkeypatch: pytest.MonkeyPatch, ci: str, code: int
) -> None:
    monkeypatch.setenv("CI", ci)
    assert check.on_servers("slow")() == code


def test_full_runs_what_the_quick_steps_leave_out() -> None:
    names = [step.name for step in check.LONG_STEPS]
    assert names == ["long suites", "long db-marked tests on PostgreSQL and Redis"]
