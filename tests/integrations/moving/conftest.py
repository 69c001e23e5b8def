"""The import command, with lines of one integration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.factories import World
from tests.integrations.moving.bundles import Mover
from tests.integrations.moving.imports import Result, run


@pytest.fixture
def adopt(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(lines: list[Any] | bytes, *arguments: str) -> Result:
        return run(lines, "--integration", "hbdev", *arguments, monkeypatch=monkeypatch)

    return call


@pytest.fixture
def mover(tmp_path: Path) -> Mover:
    return Mover(tmp_path)
