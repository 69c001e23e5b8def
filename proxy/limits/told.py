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
_TOO_MANY = frozenset({429})
_SERVER_ERRORS = 500
_UNAUTHORIZED = frozenset({401, 403, 407})


class Window:
    """One window of a provider as a reply tells of it. Seconds, and None for what is not told.

    length: how long it is; ends_in: until it begins anew.
    """

    __slots__ = ("ends_in", "length", "limit", "remaining")

    def __init__(
        self, *, limit: float | None, remaining: float | None, length: float | None, ends_in: float | None
    ) -> None:
        self.limit = limit
        self.remaining = remaining
        self.length = length
        self.ends_in = ends_in


class LimitFields:
    """The header fields that tell of a provider's windows, ready to be looked for."""

    def __init__(self, rules: tuple[RateLimitHeaders, ...]) -> None:
        self._rules = rules
        named = (
            name for rule in rules for name in (rule.limit, rule.remaining, rule.reset, rule.interval) if name
        )
        self._names = frozenset(name.lower().encode("ascii") for name in named)

    def read(self, raw_headers: Iterable[Field]) -> list[Window]:
        """The windows of which something is told, in the order of the rules; often all, or none."""
        names = self._names
        found = {lower: value for name, value in raw_headers if (lower := name.lower()) in names}
        if not found:
            return []
        return [window for rule in self._rules if (window := _window(rule, found)) is not None]


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


def _window(rule: RateLimitHeaders, found: dict[bytes, bytes]) -> Window | None:
    remaining = _number(_text(rule.remaining, found))
    if remaining is None:
        return None
    length = _number(_text(rule.interval, found))
    if length is not None and rule.interval_unit == "ms":
        length /= 1000
    if length is None and rule.interval_seconds is not None:
        length = float(rule.interval_seconds)
    reset = _text(rule.reset, found)
    return Window(
        limit=_number(_text(rule.limit, found)),
        remaining=remaining,
        length=length,
        ends_in=None if reset is None else _seconds(reset, rule.reset_unit),
    )


def _text(name: str | None, found: dict[bytes, bytes]) -> str | None:
    value = None if name is None else found.get(name.lower().encode("ascii"))
    return None if value is None else value.decode("latin-1").strip()


def _number(text: str | None) -> float | None:
    if text is None or not text.isascii():
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 1e15 else None


def _seconds(text: str, unit: str) -> float | None:
    return retries.retry_after(text, unit=unit, now=datetime.now(UTC))
