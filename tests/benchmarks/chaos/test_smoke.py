"""A minute of the whole thing: real processes, a real kill, on the embedded default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.chaos import __main__ as chaos

pytestmark = [pytest.mark.slow, pytest.mark.served]


def test_ref_04_one_refresh_also_when_its_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATCHBAY_DATA_DIR", str(tmp_path))
    chaos.main(["--quick"])
    report = json.loads((tmp_path / "chaos.json").read_text())
    calm, killed = report["runs"]
    assert report["problems"] == []
    assert (calm["good"], calm["token_requests"]) == (80, 1)
    assert (killed["good"], killed["token_requests"], killed["lost"]) == (80, 2, False)
    assert killed["killed"].startswith("web ")
    assert killed["broken"] > 0
    assert "grants lost: 0" in capsys.readouterr().out


def test_a_name_that_fits_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHBAY_DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match="No run has 'mysql' in its name"):
        chaos.main(["--only", "mysql"])
