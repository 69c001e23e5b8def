"""What a provider's reply tells of its limits, by the rules of its catalogue entry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from integrations.catalogue import Api
from integrations.catalogue.api_settings import RateLimitHeaders, RateLimitRules
from proxy import retries
from proxy.credentials import Field

#: the end of a window as long as this is not told by its length: it may be near
LONG_WINDOW_SECONDS = 3_600.0
#: so one call tries again after this
LONG_WINDOW_PROBE_SECONDS = 60.0
#: no wait that a provider asks for is heeded for longer
LONGEST_SECONDS = 86_400.0
_LARGEST = 1e15
#: so much of a resource's name is kept
_MAX_RESOURCE = 64
#: header field names that are remembered, as a provider writes them
_MAX_KNOWN = 4_096
_TOO_MANY = frozenset({429})
_SERVER_ERRORS = 500
_UNAUTHORIZED = frozenset({401, 403, 407})


class Window:
    """One window of a provider as a reply tells of it. Seconds, and None for what is not told.

    length: how long it is; ends_in: until it begins anew. number: which of the provider's windows it is;
    resource: which of several limits of an account, "" where nothing tells them apart.
    """

    __slots__ = ("ends_in", "length", "limit", "number", "remaining", "resource")

    def __init__(
        self,
        *,
        limit: float | None,
        remaining: float | None,
        length: float | None,
        ends_in: float | None,
        number: int = 0,
        resource: str = "",
    ) -> None:
        self.number = number
        self.resource = resource
        self.limit = limit
        self.remaining = remaining
        self.length = length
        self.ends_in = ends_in


class _Rule:
    """A rule with its names as they are compared: in lower case, as bytes; b"" for none."""

    __slots__ = (
        "interval", "interval_unit", "length", "limit", "number", "remaining", "reset", "reset_unit", "resource",
    )  # fmt: skip

    def __init__(self, rule: RateLimitHeaders, number: int) -> None:
        self.number, self.resource = number, _lower(rule.resource)
        self.limit, self.remaining = _lower(rule.limit), _lower(rule.remaining)
        self.reset, self.reset_unit = _lower(rule.reset), rule.reset_unit
        self.interval, self.interval_unit = _lower(rule.interval), rule.interval_unit
        self.length = None if rule.interval_seconds is None else float(rule.interval_seconds)

    def window(self, found: dict[bytes, bytes]) -> Window | None:
        """What the fields found tell; None without a number of what remains."""
        remaining = _number(found.get(self.remaining))
        if remaining is None:
            return None
        length = self.length
        if (interval := _number(found.get(self.interval))) is not None:
            length = interval / 1000 if self.interval_unit == "ms" else interval
        reset = found.get(self.reset)
        return Window(
            limit=_number(found.get(self.limit)),
            remaining=remaining,
            length=length,
            ends_in=None if reset is None or remaining >= 1 else self._until(reset),
            number=self.number,
            resource=found.get(self.resource, b"")[:_MAX_RESOURCE].decode("latin-1") if self.resource else "",
        )

    def _until(self, reset: bytes) -> float | None:
        text, now = reset.decode("latin-1"), datetime.now(UTC)
        return retries.retry_after(text, unit=self.reset_unit, now=now, longest=LONGEST_SECONDS)


class LimitFields:
    """The header fields that tell of a provider's windows, ready to be looked for."""

    def __init__(self, rules: tuple[RateLimitHeaders, ...]) -> None:
        self._rules = [_Rule(rule, number) for number, rule in enumerate(rules) if rule.remaining]
        names = (
            name
            for rule in self._rules
            for name in (rule.limit, rule.remaining, rule.reset, rule.interval, rule.resource)
        )
        self._names = frozenset(names) - {b""}
        #: a name as it was received -> itself in lower case when it is looked for, else None
        self._known: dict[bytes, bytes | None] = {}

    def read(self, raw_headers: Iterable[Field]) -> list[Window]:
        """The windows of which something is told, in the order of the rules; often all, or none."""
        known, found = self._known, {}
        for name, value in raw_headers:
            try:
                lower = known[name]
            except KeyError:
                lower = self._learn(name)
            if lower is not None:
                found[lower] = value
        if not found:
            return []
        return [window for rule in self._rules if (window := rule.window(found)) is not None]

    def _learn(self, name: bytes) -> bytes | None:
        lower = name.lower()
        sought = lower if lower in self._names else None
        if len(self._known) < _MAX_KNOWN:
            self._known[name] = sought
        return sought


@lru_cache(maxsize=512)
def fields_of(rules: RateLimitRules | None) -> LimitFields | None:
    """What to look for in a provider's replies; None when they tell nothing."""
    if rules is None or not any(rule.remaining for rule in rules.headers):
        return None
    return LimitFields(rules.headers)


def is_limited(api: Api, status: int) -> bool:
    """Whether the reply says that there were too many calls."""
    return status in (_TOO_MANY if api.rate_limit is None else api.rate_limit.statuses)


def may_teach(api: Api, status: int) -> bool:
    """Whether a reply may tell of limits: one that no error of the server's and no lack of a credential made."""
    is_telling = api.rate_limit is not None and status in api.rate_limit.exhausted_statuses
    return (status < _SERVER_ERRORS and status not in _UNAUTHORIZED) or is_telling or is_limited(api, status)


def _lower(name: str | None) -> bytes:
    return b"" if name is None else name.lower().encode("ascii")


def _number(text: bytes | None) -> float | None:
    """The number that a field's value is, 0 for one below, or None."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if number < _LARGEST else None
