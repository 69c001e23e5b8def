"""What is blocked, by which of a provider's windows, and until when. Moments are time.monotonic()."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

MAX_BLOCK_SECONDS = 900.0
#: after MAX_BLOCK_SECONDS one call tries in this time
PROBE_SECONDS = 30.0
#: in the place of a window's number: a time to wait that is no window's
UNNAMED = -1
_SWEEP_SECONDS = 60.0
_MAX_SCOPES = 20_000


class Scope(NamedTuple):
    """What a limit is for. where: "" for all of the account, host and path, or # and a resource's name."""

    account: Hashable
    where: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether it is for more than one path."""
        return not self.where or self.where.startswith("#")


class _Block:
    """until: calls are refused; ends: the provider's own word, perhaps later; began: calls from then on know."""

    __slots__ = ("began", "ends", "until")

    def __init__(self, began: float, seconds: float) -> None:
        self.began = began
        self.ends = began + seconds
        self.until = began + min(seconds, MAX_BLOCK_SECONDS)


class Blocks:
    """One for each scope and window."""

    def __init__(self) -> None:
        self.of_scopes: dict[Scope, dict[int, _Block]] = {}
        self._swept_at = 0.0

    def put(self, scope: Scope, window: int, seconds: float, *, now: float) -> None:
        """What was put last counts."""
        blocks = self.of_scopes.get(scope)
        if blocks is None:
            if len(self.of_scopes) >= _MAX_SCOPES:
                del self.of_scopes[next(iter(self.of_scopes))]
            blocks = self.of_scopes[scope] = {}
        blocks[window] = _Block(now, seconds)

    def left(self, scope: Scope, now: float) -> float:
        """How long calls are refused; 0: they may go."""
        blocks = self.of_scopes.get(scope)
        return 0.0 if blocks is None else max(0.0, *(block.until - now for block in blocks.values()))

    def begin(self, scope: Scope, now: float) -> None:
        """A call goes although the provider's own time is not over: until it is answered no other does."""
        for block in self.of_scopes.get(scope, {}).values():
            block.until = now + PROBE_SECONDS

    def free(self, scope: Scope, window: int, called_at: float) -> None:
        """A call that began under the block was answered: it is over."""
        blocks = self.of_scopes.get(scope)
        if blocks is not None and window in blocks and called_at >= blocks[window].began:
            del blocks[window]
            if not blocks:
                del self.of_scopes[scope]

    def drop_ended(self, scope: Scope, now: float) -> None:
        """Let go of what the provider's own time is over for; now and then everywhere."""
        if now - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = now
            for each in list(self.of_scopes):
                self._drop_ended(each, now)
        elif scope in self.of_scopes:
            self._drop_ended(scope, now)

    def _drop_ended(self, scope: Scope, now: float) -> None:
        blocks = self.of_scopes[scope]
        for window in [window for window, block in blocks.items() if now >= block.ends]:
            del blocks[window]
        if not blocks:
            del self.of_scopes[scope]
