"""`make test`: the suite on the embedded default, in parallel; says what it could not run and why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONG_SUITES = "the long suites (make check-full)"
SPECIFICATIONS = ROOT.parent / "shared" / "openapi" / "hubspot"


def chromium() -> str | None:
    """The browser of the browser stories, or None."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def missing_parts() -> list[str]:
    """A line for each part that this machine lacks, with what to do about it."""
    missing = []
    if chromium() is None:
        missing.append("browser stories: no Chromium (Debian: apt-get install chromium, or set CHROMIUM)")
    if not SPECIFICATIONS.is_dir():
        missing.append("sandbox against HubSpot's OpenAPI documents: they are not beside this checkout")
    without = [name for name in ("node", "npm") if shutil.which(name) is None]
    if without:
        missing.append(f"SDKs of Node: no {' and no '.join(without)} (Debian: apt-get install nodejs npm)")
    if shutil.which("glewlwyd") is None:
        missing.append("a real authorization server: no glewlwyd (Debian: apt-get install glewlwyd)")
    return missing


def tell_not_run(*others: str) -> None:
    """What a run ends with: a line for each part that this machine lacks, and for each of the others."""
    for line in [*missing_parts(), *others]:
        print(f"NOT RUN  {line}")


def run_pytest(*arguments: str, env: dict[str, str] | None = None) -> int:
    """Run pytest in its own process; returns its exit code."""
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, check=False).returncode


def workers() -> list[str]:
    """One more than there are cores: many tests wait for processes, time-outs and links that run out."""
    return ["-n", str((os.cpu_count() or 1) + 1), "--dist", "loadgroup"]


def main() -> int:
    markers = ["not slow"] + ([] if chromium() else ["not browser"])
    code = run_pytest(*workers(), "-m", " and ".join(markers), *sys.argv[1:])
    tell_not_run(LONG_SUITES)
    return code


if __name__ == "__main__":
    sys.exit(main())
