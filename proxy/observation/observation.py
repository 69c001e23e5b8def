"""Observation: what a data plane tells operators about itself. Nothing of it runs unless settings ask for it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from proxy.observation import process
from proxy.observation.calls import Calls
from proxy.observation.database import DOWN, Database, Readings
from proxy.observation.folder import Folder
from proxy.observation.metrics import Scrape
from proxy.observation.snapshot import Snapshot
from proxy.observation.traces import Traces

if TYPE_CHECKING:
    from proxy.incoming import Incoming
    from proxy.plane import DataPlane

log = structlog.get_logger(__name__)
#: how old the numbers of the other processes may be in a scrape
PUBLISH_SECONDS = 5.0
#: for how long a scrape waits for the database; Prometheus gives up after ten
DATABASE_SECONDS = 5.0
TOKEN_CHARACTERS = 16
_SHORT = (
    f"METRICS_TOKEN is shorter than {TOKEN_CHARACTERS} characters. "
    "A right value: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
)
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9.-]")


class Metrics:
    """The counters of one plane, and a scrape of all of them."""

    def __init__(self, plane: DataPlane) -> None:
        """Raises ImproperlyConfigured for a token that could be guessed."""
        if len(settings.METRICS_TOKEN) < TOKEN_CHARACTERS:
            raise ImproperlyConfigured(_SHORT)
        self._plane = plane
        self._calls = Calls()
        self._lag = process.LoopLag()
        self._database = Database()
        self._folder = Folder(settings.DATA_DIR / "metrics" / _NOT_IN_A_NAME.sub("_", socket.gethostname()))
        # One thread: files are written in order, and two scrapes at once do the work of one.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._publishing: asyncio.Task[None] | None = None
        self._reading: asyncio.Future[Readings] | None = None

    async def open(self) -> None:
        """Raises ImproperlyConfigured where nothing can be written."""
        try:
            await self.on_thread(self._folder.enter)
        except OSError as error:
            raise ImproperlyConfigured(f"METRICS_TOKEN needs a folder: {error}.") from error
        self._plane.observers.append(self._calls.observe)
        self._lag.start()
        self._publishing = asyncio.create_task(self._publish_now_and_then())

    async def close(self) -> None:
        """Leave the numbers to those that go on."""
        self._lag.stop()
        if self._publishing is not None:
            self._publishing.cancel()
        try:
            await self.on_thread(self._publish, self._now(), True)
        except OSError as error:
            log.warning("metrics not written", error=type(error).__name__)
        self._thread.shutdown(wait=False)

    async def scrape(self) -> Scrape:
        """The numbers of all processes of this host, and what the database says."""
        read = await self._readings()
        self._calls.know(read.providers)
        together = await self.on_thread(self._exchange, self._now())
        return Scrape(together, read.readings)

    async def _readings(self) -> Readings:
        """What the database says, in time: a scrape must not wait for what it is to tell about."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._plane.reads.run(self._database.read))
        try:
            return await asyncio.wait_for(asyncio.shield(self._reading), DATABASE_SECONDS)
        except TimeoutError:
            log.error("metrics not read from the database in time")
            return DOWN

    def _now(self) -> Snapshot:
        """On the loop: copies, so that a thread may take its time."""
        traces = self._plane.observation.traces
        counters: dict[str, float] = {
            "patchbay_traffic_dropped": self._plane.traffic.dropped,
            "patchbay_traces_dropped": 0 if traces is None else traces.dropped,
        }
        return Snapshot(
            self._calls.copy(), list(self._lag.numbers), counters, dict(process.held(self._plane))
        )

    def _exchange(self, mine: Snapshot) -> Snapshot:
        self._publish(mine)
        return self._folder.together()

    def _publish(self, mine: Snapshot, is_last: bool = False) -> None:
        gauges, counters = process.footprint()
        mine.gauges |= gauges
        mine.counters |= counters
        self._folder.publish(mine)
        if is_last:
            self._folder.leave()

    async def _publish_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(PUBLISH_SECONDS)
            try:
                await self.on_thread(self._publish, self._now())
            except OSError as error:
                log.warning("metrics not written", error=type(error).__name__)

    async def on_thread(self, function: Callable, *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)


class Observation:
    """One per data plane; opened and closed with it, on its loop."""

    def __init__(self, plane: DataPlane) -> None:
        """Raises ImproperlyConfigured when traces are asked for and the packages for them are missing."""
        self._plane = plane
        self.metrics = Metrics(plane) if settings.METRICS_TOKEN else None
        self.traces = Traces() if settings.OTEL_EXPORTER_OTLP_ENDPOINT else None

    async def open(self) -> None:
        if self.traces is not None:
            self._plane.observers.append(self.traces.observe)
            self.traces.open()
        if self.metrics is not None:
            await self.metrics.open()

    async def close(self) -> None:
        if self.traces is not None:
            await self.traces.close()
        if self.metrics is not None:
            await self.metrics.close()

    def took(self, received: Incoming) -> None:
        """A call has come in."""
        if self.traces is not None:
            received.record.trace_parent = self.traces.parent(received.fields)
