"""Request ids: 128 random bits each, never the same twice, not even in a process that was forked."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from accounts.request_context import new_request_id
from tests.suite import ROOT


def test_an_id_is_128_bits_in_hex_and_no_other_s() -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: new_request_id(), range(5_000)))

    assert len(set(ids)) == len(ids)
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in ids)


_FORK = """
import os
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
