from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.servers import Served, served

TOKEN = "a-token-for-metrics-0123456789"


@pytest.fixture
def metered(transactional_db: Any, settings: Any, tmp_path: Path) -> Iterator[Served]:
    """The platform with METRICS_TOKEN set and a folder of its own for the numbers."""
    settings.METRICS_TOKEN = TOKEN
    settings.DATA_DIR = tmp_path
    with served() as running:
        yield running
