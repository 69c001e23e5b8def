"""Taking turns on the event loop: a partner's flood does not stand in front of another partner's call.

A call costs the loop tens of microseconds, whoever made it, and sixty-four that arrive at once are served one
after another. So each partner begins only a few pieces of work (a call, 64 KiB of content) in one turn of the
loop; the rest wait in line, and the next turn takes from all lines in rotation. While one partner alone calls
nobody waits, and nothing is counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable

#: pieces of work that one turn of the loop begins out of the lines, over all partners
PER_TURN = 2
#: so long after two partners were seen, lines are kept
MIXED_SECONDS = 5.0
PIECE_BYTES = 65_536
#: the line of all who have not been seen these seconds; in it stand the lines of their credentials
STRANGERS = "strangers"


class _Line:
    """Who waits, in lines within the line that are served in rotation."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[asyncio.Future[None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def append(self, waiter: asyncio.Future[None], within: Hashable) -> None:
        self._lines.setdefault(within, deque()).append(waiter)

    def popleft(self) -> asyncio.Future[None]:
        within, line = next(iter(self._lines.items()))
        waiter = line.popleft()
        if len(self._lines) > 1 or not line:
            del self._lines[within]
            if line:
                self._lines[within] = line  # to the end of the rotation
        return waiter


class Turns:
    """One per data plane; used on its loop alone."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun: dict[Hashable, int] = {}
        self._lines: dict[Hashable, _Line] = {}
        self._share = PER_TURN
        self._is_turning = False
        self._last: Hashable = None
        self._mixed_until = 0.0

    def see(self, partner: Hashable) -> None:
        """A partner calls."""
        last = self._last
        if partner is not last and partner != last:
            self._last = partner
            if last is not None:
                self._mixed_until = self._loop.time() + MIXED_SECONDS

    @property
    def are_kept(self) -> bool:
        """Whether several partners call these seconds."""
        return self._mixed_until > 0.0 and self._loop.time() < self._mixed_until

    def may_go(self, partner: Hashable, *, pieces: int = 1) -> bool:
        """Whether a partner may begin work now; if so it counts for this turn. Else await turn()."""
        begun = self._begun.get(partner, 0)
        if begun >= self._share or partner in self._lines:
            return False
        self._begun[partner] = begun + pieces
        self._turn_soon()
        return True

    async def turn(self, partner: Hashable, *, within: Hashable = None) -> None:
        """Wait in the partner's line for a turn of the loop. within: a line of those that the line is made of."""
        waiter = self._loop.create_future()
        line = self._lines.get(partner)
        if line is None:
            line = self._lines[partner] = _Line()
        line.append(waiter, within)
        self._turn_soon()
        await waiter

    def _turn_soon(self) -> None:
        if not self._is_turning:
            self._is_turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Begin a turn: one from each line in rotation, as long as there are places."""
        self._is_turning = False
        self._begun.clear()
        places = PER_TURN
        lines = self._lines
        while lines and places > 0:
            partner, line = next(iter(lines.items()))
            del lines[partner]
            waiter = line.popleft()
            if line:
                lines[partner] = line  # to the end of the rotation
            if not waiter.done():  # else its call was given up
                waiter.set_result(None)
                self._begun[partner] = self._begun.get(partner, 0) + 1
                places -= 1
        self._share = max(1, PER_TURN // (len(lines) + 1))
        if lines or self._begun:
            self._turn_soon()
