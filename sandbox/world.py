"""Everything one sandbox holds, and when it is written down."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sandbox import accounts, state
from sandbox.arrivals import Arrivals
from sandbox.behaviour import Behaviour
from sandbox.faults import Faults
from sandbox.limits import RollingLimit

SAVE_DELAY_SECONDS = 0.1


class Sandbox:
    """State, switches and logs. clock returns Unix seconds; state_path None keeps nothing."""

    def __init__(self, state_path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.state_path = state_path
        self.clock = clock
        self.demo_client_id: str | None = None
        self.arrivals = Arrivals()
        self.behaviour = Behaviour()
        self.faults = Faults()
        self.api_limit = RollingLimit(10)
        self.search_limit = RollingLimit(1)
        self.file_contents: dict[str, tuple[str, bytes]] = {}
        self._save: asyncio.TimerHandle | None = None
        self._save_cost_seconds = 0.0
        stored = state.load(state_path) if state_path else None
        self.state = stored or state.State()
        if stored is None:
            accounts.seed(self.state, self.now())

    def now(self) -> float:
        return self.clock()

    def touch(self) -> None:
        """The state has changed: write it soon. Many changes share one write."""
        if self.state_path is None or self._save is not None:
            return
        # A big state takes long to write; a tenth of the time at most goes into writing.
        delay = max(SAVE_DELAY_SECONDS, 10 * self._save_cost_seconds)
        self._save = asyncio.get_running_loop().call_later(delay, self.save)

    def save(self) -> None:
        """Write the state now."""
        if self._save is not None:
            self._save.cancel()
            self._save = None
        if self.state_path is not None:
            started = time.monotonic()
            state.store(self.state_path, self.state)
            self._save_cost_seconds = time.monotonic() - started

    def reset(self) -> None:
        """Back to the start; only the apps stay."""
        apps = self.state.apps
        self.state = state.State(apps=apps)
        accounts.seed(self.state, self.now())
        self.behaviour = Behaviour()
        self.arrivals.clear()
        self.faults.clear()
        self.api_limit.clear()
        self.search_limit.clear()
        self.file_contents.clear()


def timestamp(seconds: float) -> str:
    """Unix seconds as HubSpot writes times: ISO 8601, milliseconds, Z."""
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
