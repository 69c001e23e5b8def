"""What arrived: a bounded log of requests, bodies included."""

from collections import deque
from typing import TypedDict

MAX_REQUESTS = 5_000
MAX_BODY_BYTES = 256 * 1024
MAX_TOTAL_BYTES = 128 * 1024 * 1024


class Arrival(TypedDict):
    """One request, in the shape of GET /_control/requests."""

    method: str
    rawTarget: str
    headers: list[list[str]]
    body: str


class Arrivals:
    """Keeps the newest requests, oldest first; the oldest go when either bound is reached."""

    def __init__(self) -> None:
        self._entries: deque[Arrival] = deque()
        self._sizes: deque[int] = deque()
        self._total = 0

    def add(self, *, method: str, raw_target: str, headers: list[list[str]]) -> Arrival:
        """Note a request whose body has not been read yet."""
        entry = Arrival(method=method, rawTarget=raw_target, headers=headers, body="")
        self._entries.append(entry)
        self._sizes.append(0)
        while len(self._entries) > MAX_REQUESTS:
            self._drop_oldest()
        return entry

    def set_body(self, entry: Arrival, body: bytes) -> None:
        """Note the body's first MAX_BODY_BYTES; bytes that are not UTF-8 show as U+FFFD."""
        kept = body[:MAX_BODY_BYTES]
        entry["body"] = kept.decode("utf-8", errors="replace")
        for index in range(len(self._entries) - 1, -1, -1):
            if self._entries[index] is entry:
                self._sizes[index] = len(kept)
                self._total += len(kept)
                break
        while self._total > MAX_TOTAL_BYTES and len(self._entries) > 1:
            self._drop_oldest()

    def under(self, prefix: str) -> list[Arrival]:
        """The entries whose raw target begins with the prefix."""
        return [entry for entry in self._entries if entry["rawTarget"].startswith(prefix)]

    def clear(self) -> None:
        self._entries.clear()
        self._sizes.clear()
        self._total = 0

    def _drop_oldest(self) -> None:
        self._entries.popleft()
        self._total -= self._sizes.popleft()
