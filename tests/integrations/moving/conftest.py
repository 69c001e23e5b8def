"""The import command, with lines of one integration."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import World
from tests.integrations.moving.imports import Result, run


@pytest.fixture
def adopt(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(lines: list[Any] | bytes, *arguments: str) -> Result:
        return run(lines, "--integration", "hbdev", *arguments, monkeypatch=monkeypatch)

    return call
