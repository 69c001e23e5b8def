"""The gate in front of the forwarder: every call takes a ticket, and gives it back when its reply is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from accounts.api.problems import Problem
from proxy.credentials import Field

if TYPE_CHECKING:
    from proxy.forwarder import Call
    from proxy.routes import Route

#: calls in flight in one process; each holds two sockets and some tens of kilobytes
MAX_CALLS = 10_000
_SATURATED_RETRY_SECONDS = 1


class Limits:
    """One per data plane; used on its loop alone."""

    def __init__(self) -> None:
        self.calls = 0

    def enter(self, route: Route, call: Call) -> Ticket:
        """Let a call through. Raises Problem (saturated)."""
        if self.calls >= MAX_CALLS:
            raise Problem(
                "saturated",
                f"{MAX_CALLS} calls are in flight here. Try again.",
                {"retryAfter": _SATURATED_RETRY_SECONDS},
            )
        self.calls += 1
        return Ticket(self)


class Ticket:
    """One call's place. Tell it what the provider did, and leave() when the reply is over."""

    __slots__ = ("_limits",)

    def __init__(self, limits: Limits) -> None:
        self._limits: Limits | None = limits

    def answered(self, status: int, raw_headers: Iterable[Field]) -> None:
        """A reply's header section is there."""

    def failed(self, error: BaseException) -> None:
        """No reply came."""

    def leave(self) -> None:
        """Harmless when repeated."""
        limits, self._limits = self._limits, None
        if limits is not None:
            limits.calls -= 1
