"""`GET /metrics` of a measured web process, as Prometheus asks for it."""

from __future__ import annotations

import secrets
from urllib.request import Request, urlopen

from benchmarks.proxy.served import Web

COUNTED = "patchbay_proxy_requests_total"
_SECONDS = 30


def token() -> str:
    """For METRICS_TOKEN, without which a process counts nothing."""
    return secrets.token_urlsafe(32)


def calls(web: Web, bearer: str) -> int:
    """How many calls are told there. Raises RuntimeError where none is: the numbers were not on."""
    url = f"http://127.0.0.1:{web.port}/metrics"
    request = Request(url, headers={"Authorization": f"Bearer {bearer}"})
    with urlopen(request, timeout=_SECONDS) as reply:
        told = total(reply.read().decode())
    if not told:
        raise RuntimeError(f"{url} tells of no call")
    return told


def total(text: str) -> int:
    """The sum of the counter's samples in Prometheus's text format."""
    lines = [line for line in text.splitlines() if line.startswith((f"{COUNTED}{{", f"{COUNTED} "))]
    return int(sum(float(line.rpartition(" ")[2]) for line in lines))
