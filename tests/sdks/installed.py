"""SDKs that are not among the project's packages: installed once, from a lock, into a folder beside the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INSTALL_SECONDS = 600


def node_modules(lock_folder: Path = HERE / "node") -> Path:
    """The folder of node_modules for a folder with a package-lock.json. Fails the test where npm cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.fail("node and npm are not installed (Debian: apt-get install nodejs npm)", pytrace=False)
    sources = [lock_folder / name for name in ("package.json", "package-lock.json")]

    def install(folder: Path) -> None:
        for source in sources:
            shutil.copy(source, folder)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)

    return _cached(lock_folder.name, sources[1], install) / "node_modules"


def python_with_msgraph() -> Path:
    """A Python that has tests/sdks/msgraph/requirements.txt. Fails the test where it cannot be installed."""
    lock = HERE / "msgraph" / "requirements.txt"

    def install(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder / "venv")], folder)
        pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _run([*pip, "--disable-pip-version-check", "--require-hashes", "-r", str(lock)], folder)

    return _cached("msgraph", lock, install) / "venv" / "bin" / "python"


def _cached(name: str, lock: Path, install: Callable[[Path], None]) -> Path:
    """The folder that install() fills, made anew when the lock changes. Others may do the same at the same time."""
    root = Path(tempfile.gettempdir()) / f"patchbay-sdks-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.getuid():
        pytest.fail(f"{root} belongs to somebody else", pytrace=False)
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = root / f"{name}-{digest}"
    if not (folder / "done").exists():
        made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))
        try:
            install(made)
            (made / "done").touch()
            made.rename(folder)
        except OSError:  # somebody else was first
            if not (folder / "done").exists():
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"{command[0]} took longer than {INSTALL_SECONDS} s", pytrace=False)
    if done.returncode:
        pytest.fail(f"{Path(command[0]).name} could not install: {done.stderr[-2_000:]}", pytrace=False)


def run(command: list[str], *, environment: dict[str, str], folder: Path) -> str:
    """Run an SDK's process to its end; its output. Fails the test with what it wrote when it fails."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
