"""What one proxied call was: who, where, how long, how it ended. Told to observers once it is over.

Filled in as the call goes, on the data plane's loop. Holds no content, no header field and no secret; `query`
is raw and is for observers to redact before it is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

if TYPE_CHECKING:
    from proxy.observation.spans import Parent

log = structlog.get_logger(__name__)

#: how a call ended: its reply went out whole; the provider's broke off; the partner left or did not read
COMPLETED, BROKEN_OFF, PARTNER_GONE = "completed", "broken_off", "partner_gone"
#: the door of an envelope that was taken in; the call that is made of it later has the envelope's, and the same id
INTAKE = "respond-async"


class Record:
    """One call. Moments are `time.perf_counter()` seconds, 0.0 until they come; `began_at` is of the epoch.

    door: passthrough, envelope, stackgo or INTAKE. host, path, query: of the request to the provider, "" until it
    is known. status: what the partner got, 0 when nothing. code: the problem's code of a reply of ours, else "".
    request_bytes, reply_bytes: content as it went over the wire. retries: tries after the first.
    trace_parent: the trace that the partner's request belongs to, where traces are made.
    """

    __slots__ = (
        "_is_over", "began", "began_at", "code", "connection_id", "credential_id", "door", "ended", "headers_at",
        "host", "is_refreshed", "method", "observers", "outcome", "partner_id", "path", "provider_id", "query",
        "reply_bytes", "request_bytes", "request_id", "retries", "sent_at", "slug", "status", "trace_parent",
    )  # fmt: skip

    def __init__(self, method: str) -> None:
        self.method = method
        self.began_at = time.time()
        self.began = time.perf_counter()
        self.sent_at = self.headers_at = self.ended = 0.0
        self.request_id = self.door = self.slug = self.provider_id = ""
        self.host = self.path = self.query = self.code = self.outcome = ""
        self.partner_id: UUID | None = None
        self.credential_id: UUID | None = None
        self.connection_id: UUID | None = None
        self.status = self.request_bytes = self.reply_bytes = self.retries = 0
        self.is_refreshed = self._is_over = False
        self.trace_parent: Parent | None = None
        self.observers: Sequence[Callable[[Record], None]] = ()

    @property
    def seconds(self) -> float:
        """From the request's header section to the end of the reply."""
        return self.ended - self.began

    @property
    def upstream_seconds(self) -> float | None:
        """From the first try to the header section of the reply that counted; None when there was none."""
        return self.headers_at - self.sent_at if self.headers_at else None

    def end(self, outcome: str) -> None:
        """The call is over; what is told first counts."""
        if self._is_over:
            return
        self._is_over = True
        self.ended = time.perf_counter()
        self.outcome = self.outcome or outcome
        for observer in self.observers:
            try:
                observer(self)
            except Exception as error:  # noqa: BLE001 (no observer may break a call)
                log.error("call not observed", error=type(error).__name__, request_id=self.request_id)
