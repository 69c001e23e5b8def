"""`make bench` as a whole, in small sizes: that it runs, tells its figures and finds nothing wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import MEASUREMENTS
from tests.suite import ROOT


@pytest.mark.slow
@pytest.mark.served
@pytest.mark.parametrize("name", sorted(MEASUREMENTS))
def test_every_measurement_runs_in_small_sizes(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PATCHBAY_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", name],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    report = json.loads((tmp_path / "bench.json").read_text())
    assert report[name]


def test_a_name_that_is_not_known_is_refused_with_those_that_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nonsense"],
        cwd=ROOT, env={**os.environ, "PATCHBAY_DATA_DIR": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert all(name in done.stderr for name in MEASUREMENTS)
    assert not list(tmp_path.iterdir())
