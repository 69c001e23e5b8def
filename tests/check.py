"""`make check`, what CI runs: format, lint, types, imports, migrations, deployment, the suite, and it on PostgreSQL.

`--full` adds the long suites. Every step is run even when one before it failed, so that one run tells all.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from tests import services, suite

PYTHON = sys.executable


@dataclass(frozen=True)
class Step:
    name: str
    run: Callable[[], int]


def command(*words: str) -> Callable[[], int]:
    """A step that runs one module of the environment, with settings that a production start would take."""

    def run() -> int:
        env = {**os.environ, **production_environment()}
        return subprocess.run([PYTHON, "-m", *words], cwd=suite.ROOT, env=env, check=False).returncode

    return run


def script(name: str, *words: str) -> Callable[[], int]:
    """A step that runs a console script of the environment."""

    def run() -> int:
        program = Path(PYTHON).with_name(name)
        return subprocess.run([str(program), *words], cwd=suite.ROOT, check=False).returncode

    return run


def production_environment() -> dict[str, str]:
    """A production start as `check --deploy` should see it; SQLite in a folder of its own."""
    return {
        "PATCHBAY_ENV": "production",
        "PATCHBAY_DATA_DIR": tempfile.mkdtemp(prefix="patchbay-check-"),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FERNET_KEYS": Fernet.generate_key().decode(),
        "PUBLIC_URL": "https://connect.example.com",
        "ALLOWED_HOSTS": "connect.example.com",
    }


def manage(*words: str) -> Callable[[], int]:
    def run() -> int:
        env = {**os.environ, **production_environment()}
        return subprocess.run([PYTHON, "manage.py", *words], cwd=suite.ROOT, env=env, check=False).returncode

    return run


def without_servers() -> list[str]:
    """A line of what cannot be run for want of PostgreSQL or Redis."""
    missing = services.missing()
    return [f"db-marked tests: {', '.join(missing)} not installed"] if missing else []


def on_servers(marks: str) -> Callable[[], int]:
    """The `db`-marked tests of such marks on PostgreSQL and Redis; where these are not installed CI fails."""

    def run() -> int:
        if without_servers():
            return 1 if os.environ.get("CI") else 0
        with services.running() as env:
            return suite.run_pytest(*suite.workers(), "-m", f"db and {marks}", env=env)

    return run


STEPS = [
    Step("format", command("ruff", "format", "--check", "--quiet", ".")),
    Step("lint", command("ruff", "check", "--quiet", ".")),
    Step("types", command("mypy")),
    Step("import contracts", script("lint-imports")),
    Step("missing migrations", manage("makemigrations", "--check", "--dry-run")),
    Step("deployment", manage("check", "--deploy", "--fail-level", "WARNING")),
    Step("suite on the embedded default", suite.main),
    Step("db-marked tests on PostgreSQL and Redis", on_servers("not slow")),
]
LONG_STEPS = [
    Step("long suites", lambda: suite.run_pytest(*suite.workers(), "-m", "slow")),
    Step("long db-marked tests on PostgreSQL and Redis", on_servers("slow")),
]


def main() -> int:
    is_full = "--full" in sys.argv
    steps = STEPS + (LONG_STEPS if is_full else [])
    sys.argv = sys.argv[:1]
    failed = []
    for step in steps:
        started = time.monotonic()
        print(f"== {step.name}", flush=True)
        code = step.run()
        print(
            f"== {step.name}: {'ok' if code == 0 else 'FAILED'} in {time.monotonic() - started:.1f} s",
            flush=True,
        )
        if code:
            failed.append(step.name)
    suite.tell_not_run(*without_servers(), *([] if is_full else [suite.LONG_SUITES]))
    print(f"check: {len(steps) - len(failed)} passed, {len(failed)} failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
