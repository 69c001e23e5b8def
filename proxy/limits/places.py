"""Places for what is in flight, so shared that a partner who takes all it can get leaves some for others."""

from __future__ import annotations

from collections.abc import Hashable


class Places:
    """A number of places. Two rules of sharing; used on the data plane's loop alone.

    Without a reserve a partner holds at most as many as are free: alone half of all, two such partners a third
    each, and so on. With one, a partner alone gets all places, and the reserve beyond is for those who hold few.
    """

    def __init__(self, total: int, *, reserve: int = 0, few: int = 0) -> None:
        self.total = total
        self.taken = 0
        self._reserve = reserve
        self._few = few
        self._held: dict[Hashable, int] = {}

    def take(self, partner: Hashable) -> bool:
        """Whether there was a place for this partner; if so it is taken."""
        held = self._held.get(partner, 0)
        free = self.total - self.taken
        if self._reserve:
            if free <= 0 and (free <= -self._reserve or held >= self._few):
                return False
        elif held >= free:
            return False
        self.taken += 1
        self._held[partner] = held + 1
        return True

    def give_back(self, partner: Hashable) -> None:
        """Once for each place taken."""
        self.taken -= 1
        held = self._held[partner] - 1
        if held:
            self._held[partner] = held
        else:
            del self._held[partner]
