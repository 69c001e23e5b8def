"""Request ids: the time and 80 random bits, never the same twice, not even in a process that was forked."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from accounts.request_context import new_request_id
from tests.suite import ROOT


def test_ids_sort_by_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for now in (1_700_000_000.001, 1_700_000_000.002, 1_800_000_000.0):
        monkeypatch.setattr("accounts.request_context.time.time", lambda now=now: now)
        ids.append(new_request_id())

    assert ids == sorted(ids)
    assert [int(one[:12], 16) for one in ids] == [1_700_000_000_001, 1_700_000_000_002, 1_800_000_000_000]


def test_an_id_is_32_digits_in_hex_and_no_other_s() -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: new_request_id(), range(5_000)))

    assert len(set(ids)) == len(ids)
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in ids)


_FORK = """
import os
import pytest

from accounts.request_context import new_request_id
new_request_id()
is_parent = os.fork()
if is_parent:
    os.wait()
print(*(new_request_id() for _ in range(80)), flush=True)
os._exit(0)
"""


def test_a_forked_process_draws_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORK], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    drawn = done.stdout.split()
    assert len(drawn) == 160
    assert len(set(drawn)) == 160
