"""Traces: from records to the operator's collector. A call appends its record to a list, and that is all.

A thread makes spans of what has come together. OpenTelemetry's own thread sends them, to the address in
OTEL_EXPORTER_OTLP_ENDPOINT alone: the operator's, who may have it on loopback or in a private network, where
`egress` lets nothing go. No other address is asked, whatever partners and providers say.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from proxy.credentials import Field
from proxy.record import Record

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

    from proxy.observation.spans import Parent

log = structlog.get_logger(__name__)
EVERY_SECONDS = 0.1
#: records that wait for the thread; more are dropped and counted
MAX_WAITING = 10_000
#: and characters of their paths and queries, which callers choose
MAX_WAITING_CHARACTERS = 32 << 20
#: for how long the end of a process waits for a collector
LAST_SECONDS = 2.0
#: spans that wait to be sent, unless told otherwise; OpenTelemetry's 2,048 are a second of a busy process
MAX_QUEUED = 8_192
_QUEUE_SIZE = "OTEL_BSP_MAX_QUEUE_SIZE"
_OWN_ADDRESS = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, and the packages that send traces are not installed. Install them with "
    "`pip install --require-hashes -r requirements-tracing.txt`, or unset it."
)


class Traces:
    """Makes and sends the spans of one plane's calls. Used on its loop."""

    def __init__(self) -> None:
        """Raises ImproperlyConfigured when the packages are missing."""
        try:
            from proxy.observation import spans

            self._exporter = _exporter()
        except ImportError as error:
            raise ImproperlyConfigured(_MISSING) from error
        self._spans = spans
        self._provider = _provider(self._exporter)
        self._waiting: deque[Record] = deque()
        self._characters = 0
        self._tracer = self._provider.get_tracer("patchbay.proxy")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="traces")
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def parent(self, fields: Sequence[Field]) -> Parent | None:
        """The trace that a request says it belongs to."""
        return self._spans.Parent.of(fields)

    def observe(self, record: Record) -> None:
        """A call is over."""
        if len(self._waiting) < MAX_WAITING and self._characters < MAX_WAITING_CHARACTERS:
            self._waiting.append(record)
            self._characters += len(record.path) + len(record.query)
        else:
            self.dropped += 1

    def open(self) -> None:
        self._task = asyncio.create_task(self._tell_now_and_then())

    async def close(self) -> None:
        """Send what is there, unless the collector lets us wait."""
        if self._task is not None:
            self._task.cancel()
        loop, sent = asyncio.get_running_loop(), asyncio.Event()
        await loop.run_in_executor(self._thread, self._tell, self._taken())
        self._thread.shutdown(wait=False)
        # A daemon, as OpenTelemetry's own thread is: a collector that does not answer holds no process back.
        threading.Thread(target=self._send_the_rest, args=(loop, sent), daemon=True).start()
        try:
            await asyncio.wait_for(sent.wait(), LAST_SECONDS)
        except TimeoutError:
            log.warning("traces not sent at the end")
            self._exporter.shutdown()  # ends its waiting between tries

    def _send_the_rest(self, loop: asyncio.AbstractEventLoop, sent: asyncio.Event) -> None:
        self._provider.shutdown()
        with contextlib.suppress(RuntimeError):  # the loop has not waited for it
            loop.call_soon_threadsafe(sent.set)

    async def _tell_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            if self._waiting:
                taken = self._taken()
                await asyncio.get_running_loop().run_in_executor(self._thread, self._tell, taken)

    def _taken(self) -> Sequence[Record]:
        taken, self._waiting, self._characters = self._waiting, deque(), 0
        return taken

    def _tell(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                self._spans.tell(self._tracer, record)
            except Exception as error:  # noqa: BLE001 (one call's span is not worth the others')
                log.error("span not made", error=type(error).__name__, request_id=record.request_id)


def _exporter() -> SpanExporter:
    """OTLP over HTTP to the operator's address; OpenTelemetry's own variables say the rest."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    if os.environ.get(_OWN_ADDRESS):
        return OTLPSpanExporter()
    return OTLPSpanExporter(endpoint=f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces")


def _provider(exporter: SpanExporter) -> TracerProvider:
    """Sends in batches, from a thread of its own."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "patchbay"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    told = os.environ.get(_QUEUE_SIZE)
    provider.add_span_processor(BatchSpanProcessor(exporter, None if told else MAX_QUEUED))
    return provider
