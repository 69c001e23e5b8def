"""The extras for testing a proxy."""

import hashlib
import time
from collections.abc import Iterator

import pytest
import requests

from sandbox.testing import RunningSandbox


def _get(sandbox: RunningSandbox, path: str) -> requests.Response:
    return requests.get(
        sandbox.url + path, headers={"Host": "api.hubapi.com"}, allow_redirects=False, timeout=10
    )


def test_bytes_are_the_same_at_every_call(sandbox: RunningSandbox) -> None:
    long, again, short = (_get(sandbox, f"/_bytes/{count}") for count in (200_001, 200_001, 70_000))
    assert len(long.content) == int(long.headers["Content-Length"]) == 200_001
    assert long.content == again.content
    assert long.content[:70_000] == short.content
    assert len(set(long.content)) == 256
    assert _get(sandbox, "/_bytes/0").content == b""


def test_sink_counts_and_hashes_a_chunked_stream(sandbox: RunningSandbox) -> None:
    def parts() -> Iterator[bytes]:
        for number in range(100):
            yield bytes([number]) * 10_000

    whole = b"".join(parts())
    reply = requests.post(sandbox.url + "/_sink", data=parts(), timeout=10)
    assert reply.json() == {"bytes": 1_000_000, "sha256": hashlib.sha256(whole).hexdigest()}


def test_slow_waits(sandbox: RunningSandbox) -> None:
    started = time.monotonic()
    assert _get(sandbox, "/_slow/0.3").status_code == 200
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("status", [200, 204, 304, 404, 477, 599])
def test_status_is_any_final_one(sandbox: RunningSandbox, status: int) -> None:
    assert _get(sandbox, f"/_status/{status}").status_code == status


def test_redirect_goes_where_it_is_told(sandbox: RunningSandbox) -> None:
    reply = _get(sandbox, "/_redirect?to=https%3A%2F%2Felsewhere.example%2Fa%2520b%3Fc%3Dd")
    assert (reply.status_code, reply.headers["Location"]) == (302, "https://elsewhere.example/a%20b?c=d")


def test_events_come_one_each_100_ms(sandbox: RunningSandbox) -> None:
    started = time.monotonic()
    moments = []
    with requests.get(sandbox.url + "/_events/6", stream=True, timeout=10) as reply:
        assert reply.headers["Content-Type"] == "text/event-stream"
        for line in reply.iter_lines(chunk_size=1):
            if line.startswith(b"data:"):
                moments.append(time.monotonic() - started)
    assert len(moments) == 6
    assert moments[0] < moments[-1] - 0.1, "not all of them at the end"
    assert moments[-1] >= 0.5


@pytest.mark.parametrize(
    "path",
    ["/_bytes/-1", "/_bytes/x", "/_bytes/99999999999999", "/_bytes/%D9%A3", "/_slow/nan", "/_slow/-1", "/_slow/1e9",
     "/_status/99", "/_status/600", "/_redirect", "/_redirect?to=a%0D%0Ab:c", "/_events/x"],
)  # fmt: skip
def test_nonsense_is_a_400(sandbox: RunningSandbox, path: str) -> None:
    reply = _get(sandbox, path)
    assert (reply.status_code, reply.json()["category"]) == (400, "VALIDATION_ERROR")
