"""Records of calls that never were."""

from __future__ import annotations

import time
from typing import Any

from proxy.record import COMPLETED, Record
from proxy.traffic import storing


def record(**values: Any) -> Record:
    """A call that is over: GET, 200, 12 ms, 10 of which were the provider's, unless told otherwise."""
    made = Record("GET")
    told = {
        "began_at": time.time(),
        "began": 100.0,
        "sent_at": 100.001,
        "headers_at": 100.011,
        "ended": 100.012,
        "request_id": "0af7651916cd43dd8448eb211c80319c",
        "door": "passthrough",
        "slug": "hbdev",
        "provider_id": "hubspot",
        "host": "api.hubapi.com",
        "path": "/crm/v3/objects/contacts",
        "status": 200,
        "outcome": COMPLETED,
        "reply_bytes": 1024,
        **values,
    }
    for name, value in told.items():
        setattr(made, name, value)
    return made


def store(records: list[Record], *, only_failures: bool = False) -> None:
    """Write them as the log does."""
    storing.store(storing.prepare(records, only_failures=only_failures))
