"""Providers' budgets: while a provider has said that an account's limit is used up, no call is wasted on it.

Learnt from what replies say and from nothing else: a field that says `remaining 0`, or 429 with a time to wait.
Nothing is counted here, so a mistake cannot grow. Each window has its own block, for what its limit is for: the
account, the resource that the reply names, or, where neither is told, the one path that it was met at. A block ends
when the provider said; after MAX_BLOCK_SECONDS, if the provider said longer, one call at a time tries.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

from proxy import retries
from proxy.credentials import Field
from proxy.limits import told
from proxy.limits.blocks import UNNAMED, Blocks, Scope
from proxy.limits.resources import Resources
from proxy.limits.told import Window

if TYPE_CHECKING:
    from proxy.forwarder import Call
    from proxy.routes import Route

#: remaining that rises by more than this part of the limit tells of a new window; less is replies out of order
_RISE = 0.1
_MAX_WINDOWS = 100_000
_LONGEST_PATH = 200
_MAX_UNTOLD = 1_000
#: calls that waited for one account begin so far apart, so that the replies to the first reach the others
STAGGER_SECONDS = 0.02
_MAX_STARTS = 1_000


def where(call: Call) -> str:
    """What a limit is for that is not the whole account's; short, however long the path."""
    text = f"{call.target.host}{call.target.raw_path}"
    if len(text) <= _LONGEST_PATH:
        return text
    return f"{text[:100]}#{blake2b(text.encode(), digest_size=16).hexdigest()}"


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
    """One per data plane; used on its loop alone. Moments are time.monotonic().

    is_shared: note what other processes are to be told of.
    """

    def __init__(self, *, is_shared: bool = False) -> None:
        self._blocks = Blocks()
        self._resources = Resources()
        self._windows: dict[tuple[Hashable, int, str], _Seen] = {}
        self._starts: dict[Hashable, float] = {}
        self._is_shared = is_shared
        #: when blocks end that other processes have yet to be told of, by what they are for and their window
        self.untold: dict[tuple[Scope, int], float] = {}

    @property
    def are_free(self) -> bool:
        """Whether nothing is blocked."""
        return not self._blocks.of_scopes

    def wait_seconds(self, account: str, where: str) -> float:
        """How long calls are refused; 0: they may go."""
        now, left = time.monotonic(), 0.0
        for scope in self._scopes(account, where):
            self._blocks.drop_ended(scope, now)
            left = max(left, self._blocks.left(scope, now))
        return left

    def begin(self, account: str, where: str) -> None:
        """A call goes although the provider's own time is not over: until it is answered no other does."""
        now = time.monotonic()
        for scope in self._scopes(account, where):
            self._blocks.begin(scope, now)

    def start_in(self, account: str) -> float:
        """Seconds until a call that has waited may go, one after another."""
        now = time.monotonic()
        at = max(now, self._starts.get(account, 0.0))
        if len(self._starts) >= _MAX_STARTS:
            self._starts = {each: moment for each, moment in self._starts.items() if moment > now}
        self._starts[account] = at + STAGGER_SECONDS
        return at - now

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
        asked = None
        if is_limited:
            now = datetime.now(UTC)
            asked = retries.wait_seconds(
                api, raw_headers, now=now, status=status, longest=told.LONGEST_SECONDS
            )
        is_used_up = False
        for window in windows:
            if window.resource:
                self._resources.note(where(call), window.resource)
            seen = self._see((route.account, window.number, window.resource), window, called_at)
            if (window.remaining or 0.0) < 1:
                wait = _until_refilled(window, seen) if asked is None else asked
                if wait > 0:
                    is_used_up = True
                    self.block(_scope(route.account, call, window, seen), wait, window=window.number)
        if asked and not is_used_up:
            self.block(Scope(route.account, where(call)), asked)
        elif self._blocks.of_scopes and not is_limited:
            self._free(route.account, where(call), windows, called_at)

    def block(self, scope: Scope, seconds: float, *, window: int = UNNAMED) -> None:
        """Refuse calls for as long as the provider said."""
        now = time.monotonic()
        self._blocks.put(scope, window, seconds, now=now)
        if self._is_shared and scope.is_shared and len(self.untold) < _MAX_UNTOLD:
            self.untold[scope, window] = now + seconds

    def heard(self, scope: Scope, window: int, seconds: float) -> None:
        """Another process was told."""
        if seconds > 0:
            self._blocks.put(scope, window, min(seconds, told.LONGEST_SECONDS), now=time.monotonic())

    def _scopes(self, account: str, where: str) -> Iterable[Scope]:
        """All that a call counts against."""
        yield Scope(account)
        if where:
            yield Scope(account, where)
            if resource := self._resources.of(where):
                yield Scope(account, f"#{resource}")

    def _free(self, account: str, where: str, windows: list[Window], called_at: float) -> None:
        """A call went through. It tells of the windows that it names, and of a wait that is no window's."""
        left = [window.number for window in windows if (window.remaining or 0.0) >= 1]
        if len(left) == len(windows):
            left.append(UNNAMED)
        for scope in self._scopes(account, where):
            if scope.where or windows:
                for window in left:
                    self._blocks.free(scope, window, called_at)

    def _see(self, key: tuple[Hashable, int, str], window: Window, called_at: float) -> _Seen:
        """Note what a reply tells of a window."""
        remaining, limit = window.remaining or 0.0, window.limit
        seen = self._windows.get(key)
        if seen is None:
            if len(self._windows) >= _MAX_WINDOWS:
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


def _scope(account: str, call: Call, window: Window, seen: _Seen) -> Scope:
    """What a window's limit is for."""
    if window.resource:
        return Scope(account, f"#{window.resource}")
    return Scope(account, where(call) if seen.has_several else "")


def _until_refilled(window: Window, seen: _Seen) -> float:
    """Seconds until an empty window begins anew; 0 when nothing tells of it."""
    if window.ends_in is not None:
        return window.ends_in
    if window.length is None:
        return 0.0
    if window.length >= told.LONG_WINDOW_SECONDS:
        return told.LONG_WINDOW_PROBE_SECONDS
    return max(0.0, seen.began + window.length - time.monotonic())
