"""Providers' budgets: while a provider has said that an account's limit is used up, no call is wasted on it.

Learnt from what replies say and from nothing else: a field that says `remaining 0`, or 429 with a time to wait.
Nothing is counted here, so a mistake cannot grow. A reply that does not tell what the limit is for blocks the one
path that it was met at. A block ends when the provider said, at the latest after
MAX_BLOCK_SECONDS; then, if the provider said longer, one call at a time tries.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from proxy import retries
from proxy.credentials import Field
from proxy.limits import told
from proxy.limits.told import Window

if TYPE_CHECKING:
    from proxy.forwarder import Call
    from proxy.routes import Route

MAX_BLOCK_SECONDS = 900.0
#: after MAX_BLOCK_SECONDS one call tries in this time
PROBE_SECONDS = 30.0
#: remaining that rises by more than this part of the limit tells of a new window; less is replies out of order
_RISE = 0.1
_MAX_ACCOUNTS = 100_000


class Scope(NamedTuple):
    """What a limit is for. where: host and path when it is for these alone, else "" (the account)."""

    account: Hashable
    where: str


def where(call: Call) -> str:
    """What a limit is for that is not the whole account's."""
    return f"{call.target.host}{call.target.raw_path}"


class _Block:
    """until: calls are refused; ends: the provider's own word, perhaps later; began: calls from then on know."""

    __slots__ = ("began", "ends", "until")

    def __init__(self, began: float, seconds: float) -> None:
        self.began = began
        self.ends = began + seconds
        self.until = began + min(seconds, MAX_BLOCK_SECONDS)


class _Seen:
    """A window as replies told of it. began: its beginning, or a little later; lowest: what remained since.

    has_several: one account's replies told of different limits, so the one told of is not the account's.
    """

    __slots__ = ("began", "has_several", "limit", "lowest")

    def __init__(self, began: float, limit: float | None) -> None:
        self.began = began
        self.limit = limit
        self.lowest = 0.0
        self.has_several = False


class Budgets:
    """One per data plane; used on its loop alone. Moments are time.monotonic()."""

    def __init__(self) -> None:
        self._blocks: dict[Scope, _Block] = {}
        self._windows: dict[tuple[Hashable, int], _Seen] = {}
        #: blocks of whole accounts that other processes have yet to be told of: account, seconds
        self.untold: list[tuple[str, float]] = []

    @property
    def are_free(self) -> bool:
        """Whether nothing is blocked."""
        return not self._blocks

    def wait_seconds(self, account: str, where: str) -> float:
        """How long calls are refused; 0: they may go."""
        return max(self._left(Scope(account, "")), self._left(Scope(account, where)))

    def begin(self, account: str, where: str) -> None:
        """A call goes although the provider's own time is not over: until it is answered no other does."""
        now = time.monotonic()
        for scope in (Scope(account, ""), Scope(account, where)):
            block = self._blocks.get(scope)
            if block is not None:
                block.until = now + PROBE_SECONDS

    def learn(
        self, route: Route, call: Call, status: int, raw_headers: Iterable[Field], *, called_at: float
    ) -> None:
        """Heed a reply's header section. called_at: when its call began."""
        api = route.api
        is_limited = told.is_limited(api, status)
        if (route.limit_fields is None and not is_limited) or (
            status >= 400 and not told.may_teach(api, status)
        ):
            return
        windows = [] if route.limit_fields is None else route.limit_fields.read(raw_headers)
        wait, is_for_account = 0.0, False
        for number, window in enumerate(windows):
            seen = self._see((route.account, number), window, called_at)
            if (window.remaining or 0.0) < 1:
                wait = max(wait, _until_refilled(window, seen))
                is_for_account = not seen.has_several
        if is_limited:
            asked = retries.wait_seconds(api, raw_headers, now=datetime.now(UTC), status=status)
            wait = wait if asked is None else asked
        if wait > 0:
            self.block(Scope(route.account, "" if is_for_account else where(call)), wait)
        elif not is_limited and self._blocks:
            if windows:
                self._free(Scope(route.account, ""), called_at)
            self._free(Scope(route.account, where(call)), called_at)

    def block(self, scope: Scope, seconds: float) -> None:
        """Refuse calls for as long as the provider said."""
        self._put(scope, seconds)
        if not scope.where:
            self.untold.append((str(scope.account), seconds))

    def heard(self, account: str, seconds: float) -> None:
        """Another process was told."""
        if seconds > 0:
            self._put(Scope(account, ""), seconds)

    def _put(self, scope: Scope, seconds: float) -> None:
        if len(self._blocks) >= _MAX_ACCOUNTS:
            self._blocks.pop(next(iter(self._blocks)))
        self._blocks.pop(scope, None)
        self._blocks[scope] = _Block(time.monotonic(), seconds)

    def _left(self, scope: Scope) -> float:
        block = self._blocks.get(scope)
        if block is None:
            return 0.0
        now = time.monotonic()
        if now >= block.ends:
            del self._blocks[scope]
            return 0.0
        return max(0.0, block.until - now)

    def _free(self, scope: Scope, called_at: float) -> None:
        """A call that began under the block was answered: it is over."""
        block = self._blocks.get(scope)
        if block is not None and called_at >= block.began:
            del self._blocks[scope]

    def _see(self, key: tuple[Hashable, int], window: Window, called_at: float) -> _Seen:
        """Note what a reply tells of a window."""
        remaining, limit = window.remaining or 0.0, window.limit
        seen = self._windows.get(key)
        if seen is None:
            if len(self._windows) >= _MAX_ACCOUNTS:
                self._windows.pop(next(iter(self._windows)))
            seen = self._windows[key] = _Seen(called_at, limit)
            seen.lowest = remaining
        elif limit != seen.limit:
            seen.has_several, seen.limit = True, limit
        is_risen = remaining - seen.lowest > _RISE * (limit or seen.lowest or 1.0)
        if is_risen or called_at >= seen.began + (window.length or 0.0):
            seen.began, seen.lowest = called_at, remaining
        elif remaining < seen.lowest:
            seen.lowest = remaining
        return seen


def _until_refilled(window: Window, seen: _Seen) -> float:
    """Seconds until an empty window begins anew; 0 when nothing tells of it."""
    if window.ends_in is not None:
        return window.ends_in
    if window.length is None:
        return 0.0
    if window.length >= told.LONG_WINDOW_SECONDS:
        return told.LONG_WINDOW_PROBE_SECONDS
    return max(0.0, seen.began + window.length - time.monotonic())
