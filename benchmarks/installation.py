"""A Patchbay installation of its own for one measurement: folder, keys, database; and programs run in it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Installation:
    """Where it lies, and the environment that its processes get."""

    folder: Path
    environment: dict[str, str] = field(repr=False)

    def ask(self, module: str, *words: object) -> Any:
        """Run a module of the benchmarks in the installation; the JSON that it prints. Progress is on stderr."""
        command = [sys.executable, "-m", module, *(str(word) for word in words)]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, check=True, text=True
        )
        return json.loads(done.stdout)

    def start(self, *words: str, log: Path) -> subprocess.Popen[bytes]:
        """Start `python -m …` in the installation, with its output in a file."""
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *words], cwd=ROOT, env=self.environment, stdout=output, stderr=output
            )

    def manage(self, *words: str) -> None:
        """Run a management command."""
        subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=self.environment, check=True)


@contextmanager
def installation(settings: Mapping[str, str] | None = None) -> Iterator[Installation]:
    """An empty installation on SQLite and the folder broker unless the settings say otherwise; migrated."""
    folder = Path(tempfile.mkdtemp(prefix="patchbay-bench-"))
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    made = Installation(
        folder,
        {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PATCHBAY_ENV": "development",
            "PATCHBAY_DATA_DIR": str(folder),
            "SECRET_KEY": secrets.token_urlsafe(50),
            "FERNET_KEYS": Fernet.generate_key().decode(),
            "PUBLIC_URL": "http://localhost:8000",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "LOG_LEVEL": "WARNING",
            "REFRESHES_PER_SECOND": "100000",  # the pace at which a provider is asked must not decide
            "PYTHONUNBUFFERED": "1",
            **(settings or {}),
        },
    )
    try:
        made.manage("migrate", "--verbosity", "0")
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
