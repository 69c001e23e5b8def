from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.models import Connection
from proxy.limits import circuits
from tests.proxy.conftest import API
from tests.proxy.exact.partner import Partner
from tests.proxy.exact.upstream import Upstream, running
from tests.proxy.servers import Served


@pytest.fixture
def upstream(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """HubSpot's API, played by a server that keeps and sends raw bytes, and may fail as often as it likes."""
    monkeypatch.setattr(circuits, "UNANSWERED_IN_ROW", 1 << 30)
    with running() as started:
        settings.UPSTREAM_MAP = {API: f"http://127.0.0.1:{started.port}"}
        yield started


@pytest.fixture
def partner(platform: Served, cust: Connection) -> Iterator[Partner]:
    """Connected to the platform, with a customer `cust` to call for."""
    connected = Partner(platform.port)
    yield connected
    connected.close()
