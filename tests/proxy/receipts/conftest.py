from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from proxy.receipts import runner
from tests.proxy.conftest import Serve
from tests.proxy.receipts.runs import Slow


@pytest.fixture
def slow(provider: Serve) -> Iterator[Slow]:
    made = Slow()
    provider(made)
    yield made
    made.may_answer.set()


@pytest.fixture(autouse=True)
def _not_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_stopping", threading.Event())
