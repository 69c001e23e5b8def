"""The pool of threads: what is submitted comes back, whatever goes wrong in the thread."""

from __future__ import annotations

import pytest
from django.db import DatabaseError

from integrations.tokens import pool
from integrations.tokens.pool import Pool


class _Broken:
    errors_occurred = True

    def close(self) -> None:
        raise DatabaseError("the server is gone")


class _Connections:
    def all(self, *, initialized_only: bool) -> list[_Broken]:
        return [_Broken()]

    def close_all(self) -> None:
        pass


def test_a_connection_that_cannot_even_be_closed_does_not_keep_the_run_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "connections", _Connections())
    found: list[int] = []
    with Pool[int](1, lambda item: None) as workers:
        for item in (1, 2):
            workers.submit(item)
            found += workers.done(wait_seconds=5)
    assert (found, workers.in_flight) == ([1, 2], 0)
