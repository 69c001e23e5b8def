"""The gate in front of the forwarder: every call takes a ticket, and gives it back when its reply is over.

It refuses what would do no good: a call too many, one to an origin that keeps failing, one for an account whose
limit the provider has said is used up. Asks nobody and waits for nothing, but for a call's turn.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from django.conf import settings

from accounts.api.problems import Problem
from egress.conf import setting
from egress.errors import ConnectFailed, ReplyLost
from proxy.credentials import Field
from proxy.incoming import KeptContent
from proxy.limits import told
from proxy.limits.blocks import Scope
from proxy.limits.budgets import Budgets, where
from proxy.limits.checks import Checks
from proxy.limits.circuits import GATEWAY_FAILURES, Circuits, Key, OpenCircuit, Way
from proxy.limits.places import Places
from proxy.limits.shared import Exchanges
from proxy.limits.turns import PIECE_BYTES, STRANGERS, Turns

if TYPE_CHECKING:
    from proxy.forwarder import Call
    from proxy.routes import Route

MAX_ENVELOPES = 64
_SATURATED_RETRY_SECONDS = 1
#: a wait for a budget is longer by up to this part of it
_JITTER = 0.1
_MAX_JITTER_SECONDS = 0.5


class Limits:
    """One per data plane; used on its loop alone."""

    def __init__(self) -> None:
        #: calls in flight in this process; each holds two sockets and some tens of kilobytes
        self.places = Places(settings.PROXY_MAX_CALLS)
        #: whole requests and their parsed bodies in memory; some beyond are kept for partners that hold few
        self.envelopes = Places(MAX_ENVELOPES, reserve=MAX_ENVELOPES // 4, few=MAX_ENVELOPES // 8)
        self.circuits = Circuits()
        is_shared = bool(settings.PROVIDER_BUDGETS and settings.CACHE_URL)
        self.budgets = Budgets(is_shared=is_shared)
        self.turns = Turns()
        self.checks = Checks()
        self._exchanges = Exchanges(self.budgets) if is_shared else None

    @property
    def calls(self) -> int:
        """How many are in flight."""
        return self.places.taken

    def enter(self, route: Route, call: Call) -> Ticket:
        """Let a call through. Raises Problem (saturated, circuit_open, rate_limited).

        A call that may be repeated (Patchbay-Retries) waits for the provider's budget instead, in admitted().
        """
        partner = call.record.partner_id
        ticket = Ticket(self, route, call)
        if not self.circuits.is_quiet:
            ticket.require_closed_circuits()
        if not self.budgets.are_free:
            wait = self.wait_seconds(route, call)
            if wait > 0 and not call.retries:
                raise over_budget(route, wait)
            ticket.has_to_wait_for_budget = wait > 0
        if not self.places.take(partner):
            raise Problem(
                "saturated",
                f"{self.places.taken} calls are in flight here, and this partner has its share. Try again.",
                {"retryAfter": _SATURATED_RETRY_SECONDS},
            )
        ticket.begins(partner)
        return ticket

    def wait_seconds(self, route: Route, call: Call | None = None) -> float:
        """How long the provider takes no call for the route's account, or for this call's path; 0: it does."""
        if self.budgets.are_free or not setting("PROVIDER_BUDGETS"):
            return 0.0
        return self.budgets.wait_seconds(route.account, "" if call is None else where(call))

    def open_circuits(self) -> list[OpenCircuit]:
        """Origins that are left alone at the moment."""
        return self.circuits.open_circuits()

    async def turn(self, partner: Hashable, *, within: Hashable = None) -> None:
        """Wait until it is the partner's turn, if somebody else would have to wait for it otherwise."""
        if self.turns.are_kept and not self.turns.may_go(partner):
            await self.turns.turn(partner, within=within)

    def refused_stranger(self) -> None:
        """A request was refused whose caller is not known: calls of partners are not to wait behind such."""
        self.turns.see(STRANGERS)

    async def close(self) -> None:
        """Tell other processes no more, and count no more."""
        self.checks.close()
        if self._exchanges is not None:
            await self._exchanges.close()


class Ticket:
    """One call's place. Tell it what the provider did, and leave() when the reply is over.

    has_to_wait_for_budget: await admitted() before anything is sent.
    """

    __slots__ = (
        "_call", "_called_at", "_has_told", "_is_in", "_limits", "_partner", "_probed", "_route",
        "has_to_wait_for_budget",
    )  # fmt: skip

    def __init__(self, limits: Limits, route: Route, call: Call) -> None:
        self._limits = limits
        self._route = route
        self._call = call
        self._called_at = 0.0
        self._has_told = self._is_in = False
        self._probed: tuple[Key, ...] = ()
        self.has_to_wait_for_budget = False

    def begins(self, partner: Hashable) -> None:
        """It has its place."""
        limits, call = self._limits, self._call
        self._partner = partner
        self._is_in = True
        self._called_at = time.monotonic()
        if not self.has_to_wait_for_budget:
            if not limits.circuits.is_quiet:
                self._probed = limits.circuits.begin(self._way)
            if not limits.budgets.are_free:
                limits.budgets.begin(self._route.account, where(call))
        limits.turns.see(partner)
        if isinstance(call.content, KeptContent):
            call.content.pace = self.piece

    def tries_again(self) -> None:
        """The call is about to be sent once more, after answered() or failed(). Raises Problem (circuit_open)."""
        circuits = self._limits.circuits
        if not circuits.is_quiet:
            if self._probed and not self._has_told:
                # A probe that the caller's own time-out ended told nothing: its next try is not in its way.
                circuits.give_up(self._probed)
            self.require_closed_circuits()
            self._probed = circuits.begin(self._way)
            self._has_told = False

    def require_closed_circuits(self) -> None:
        """Raises Problem (circuit_open)."""
        wait = self._limits.circuits.wait_seconds(self._way)
        if wait > 0:
            raise _circuit_open(self._call.target.host, wait)

    @property
    def _way(self) -> Way:
        call = self._call
        return Way(call.target.origin, call.record.partner_id, self._route.connection_id)

    async def admitted(self) -> None:
        """Wait for the provider's budget. Raises Problem (rate_limited, circuit_open).

        Calls that wait for one account begin one after another, and each looks again before it does.
        """
        limits, route, call = self._limits, self._route, self._call
        ends = time.monotonic() + route.header_timeout(call.timeout_seconds)
        while (wait := limits.wait_seconds(route, call)) > 0:
            await self._pause(wait, ends=ends, jitter=min(_MAX_JITTER_SECONDS, wait * _JITTER))
            await self._pause(limits.budgets.start_in(route.account), ends=ends)
        self.tries_again()
        limits.budgets.begin(route.account, where(call))
        self._called_at = time.monotonic()

    async def _pause(self, seconds: float, *, ends: float, jitter: float = 0.0) -> None:
        left = ends - time.monotonic()
        if seconds >= left:
            raise over_budget(self._route, seconds)
        if seconds > 0:
            await asyncio.sleep(min(seconds + random.uniform(0.0, jitter), left))  # noqa: S311 (spread, not secrecy)

    async def piece(self, size: int) -> None:
        """Wait for the turn of a piece of content."""
        turns = self._limits.turns
        if turns.are_kept and not turns.may_go(self._partner, pieces=1 + size // PIECE_BYTES):
            await turns.turn(self._partner)

    def answered(self, status: int, raw_headers: Iterable[Field]) -> None:
        """A reply's header section is there."""
        limits, route = self._limits, self._route
        if status in GATEWAY_FAILURES and not told.is_limited(route.api, status):
            self._failed(is_unconnected=False)
        elif not limits.circuits.is_quiet:
            self._has_told = True
            limits.circuits.succeeded(self._way)
        if (route.limit_fields is not None or status >= 400) and setting("PROVIDER_BUDGETS"):
            limits.budgets.learn(route, self._call, status, raw_headers, called_at=self._called_at)

    def told_to_wait(self, seconds: float) -> None:
        """The body of a reply says that the account's limit is used up for so long."""
        if settings.PROVIDER_BUDGETS and seconds > 0:
            self._limits.budgets.block(Scope(self._route.account, ""), seconds)

    def failed(self, error: BaseException) -> None:
        """No reply came."""
        if isinstance(error, ConnectFailed | ReplyLost) and not (error.timed_out and self._is_hasty):
            self._failed(is_unconnected=isinstance(error, ConnectFailed))

    @property
    def _is_hasty(self) -> bool:
        """Whether the caller's own time-out is so short that no reply in it says nothing of the provider."""
        asked = self._call.timeout_seconds
        return asked is not None and asked < self._route.header_timeout_seconds

    def leave(self) -> None:
        """Harmless when repeated."""
        if self._is_in:
            self._is_in = False
            self._limits.places.give_back(self._partner)
            if self._probed and not self._has_told:
                self._limits.circuits.give_up(self._probed)

    def _failed(self, *, is_unconnected: bool) -> None:
        self._has_told = True
        self._limits.circuits.failed(self._way, is_unconnected=is_unconnected)


def over_budget(route: Route, wait: float) -> Problem:
    """The refusal of a call that the provider would refuse."""
    seconds = max(1, math.ceil(wait))
    return Problem(
        "rate_limited",
        f"{route.provider.display_name} has said that this account's limit is used up. Try again in {seconds} seconds.",
        {"retryAfter": seconds, "limitedBy": "provider"},
        {"Proxy-Status": 'patchbay; error=destination_unavailable; details="limit of the provider"'},
    )


def _circuit_open(host: str, wait: float) -> Problem:
    seconds = max(1, math.ceil(wait))
    return Problem(
        "circuit_open",
        f"{host} keeps failing and is left alone for a moment. Try again in {seconds} seconds.",
        {"retryAfter": seconds},
    )
