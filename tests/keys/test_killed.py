"""`rotate_keys` is killed in the middle, while refreshes store new secrets, and started again."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import choice
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from django.db import connection as database

from integrations.models import Connection
from sealing import Secret, seal
from tests import factories
from tests.keys.rolling import Fleet

pytestmark = [pytest.mark.served, pytest.mark.db]
ROWS = 3_000
COLUMNS = ("access_token", "refresh_token")


@pytest.fixture
def fleet(transactional_db: Any, tmp_path: Path) -> Fleet:
    return Fleet({}, tmp_path)


@pytest.fixture
def pks(transactional_db: Any) -> list[UUID]:
    at = factories.world()
    first = factories.connection(at)
    rows = [
        Connection(
            partner=at.partner,
            customer=first.customer,
            integration=at.integration,
            client=at.client,
            name=f"n-{number}",
            status="active",
            token_version=1,
        )
        for number in range(ROWS)
    ]
    for row in rows:
        for column in COLUMNS:
            setattr(row, column, Secret(f"{column} 1 {row.pk}"))
    Connection.objects.filter(pk=first.pk).delete()
    Connection.objects.bulk_create(rows, batch_size=500)
    return sorted(row.pk for row in rows)


class Refreshes:
    """Stores new pairs as a refresh does, by compare and swap, under the newest key."""

    def __init__(self, pks: list[UUID]) -> None:
        self._pks, self.stored = pks, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Refreshes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _work(self) -> None:
        try:
            while not self._stop.wait(0.002):
                pk = choice(self._pks)
                version = Connection.objects.values_list("token_version", flat=True).get(pk=pk)
                pair = {name: sealed(name, version + 1, pk) for name in COLUMNS}
                row = Connection.objects.filter(pk=pk, token_version=version)
                self.stored += row.update(token_version=version + 1, **pair)
        finally:
            database.close()


def sealed(column: str, version: int, pk: UUID) -> Any:
    return seal(f"{column} {version} {pk}", model=Connection, field=column, pk=pk)


def resealed_of(out: str, column: str, *, pass_number: int = 1) -> int:
    lines = re.findall(rf"^integrations_connection\.{column} +\d+ +(\d+) ", out, re.MULTILINE)
    return int(lines[pass_number - 1])


def test_a_killed_rotation_is_finished_by_the_next_and_no_newer_value_is_lost(
    fleet: Fleet, pks: list[UUID], settings: Any
) -> None:
    old, new = settings.FERNET_KEYS[0], Fernet.generate_key().decode()
    settings.FERNET_KEYS = [new, old]
    milestone = Connection.objects.filter(pk=pks[ROWS // 3])
    untouched = pks[ROWS // 3]
    with Refreshes([pk for pk in pks if pk != untouched]) as refreshes:
        first = fleet.manage([new, old], "rotate_keys", "--batch-size", "10")
        give_up_at = time.monotonic() + 60
        while milestone.values_list("access_token", flat=True).get().bind(untouched).key_position() != 0:
            assert time.monotonic() < give_up_at and first.poll() is None
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=20)
        assert first.returncode == -signal.SIGKILL
        check = fleet.manage([new, old], "rotate_keys", "--check")
        assert "under an older key" in check.communicate(timeout=120)[0] and check.returncode == 1
        second = fleet.manage([new, old], "rotate_keys")
        out, _ = second.communicate(timeout=120)
        assert second.returncode == 0, out
    assert refreshes.stored > 20
    assert 0 < resealed_of(out, "access_token") <= ROWS - ROWS // 3
    assert resealed_of(out, "access_token", pass_number=2) == 0
    settings.FERNET_KEYS = [new]
    for row in Connection.objects.all():
        for column in COLUMNS:
            assert getattr(row, column).open() == Secret(f"{column} {row.token_version} {row.pk}")


@pytest.fixture(autouse=True)
def _nothing_stays(transactional_db: Any) -> Iterator[None]:
    yield
    Connection.objects.all().delete()
