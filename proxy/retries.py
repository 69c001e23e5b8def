"""When a call is made again, and after how long (contract section 4, Patchbay-Retries).

Nothing here waits, reads or sends. Waits are seconds; LASTING stands for one that no call waits out.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from egress.wire import IDEMPOTENT_METHODS
from integrations.catalogue import (
    Api,
    RateLimitBodyRule,
    RateLimitHeaders,
    RateLimitRules,
    RetryAfterRule,
    as_text,
    lookup,
)
from proxy.credentials import Field

#: no wait is longer, whatever the provider says
MAX_WAIT_SECONDS = 900.0
LASTING = math.inf
#: the request may have been good; 52x is what a content network says of the server behind it
_TEMPORARY_STATUS_CODES = frozenset({408, 425, 429, 502, 503, 504, 521, 522, 523, 524})
_BACKOFF_FIRST_SECONDS = 0.5
_BACKOFF_MAX_SECONDS = 20.0
_ANY_LIMIT = RateLimitRules()
#: what frameworks take for the method in place of the real one
_METHOD_FIELDS = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?").fullmatch
_DURATION = re.compile(r"(?:[0-9]{1,6}(?:\.[0-9]{1,9})?(?:ms|h|m|s))+").fullmatch
_DURATION_PARTS = re.compile(r"([0-9.]+)(ms|h|m|s)").findall
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def may_repeat(method: str, fields: Iterable[Field]) -> bool:
    """Whether a second try cannot do the work twice (RFC 9110 section 9.2.2).

    True with an Idempotency-Key. A field that names another method counts as that method.
    """
    methods = [method]
    for name, value in fields:
        if name == b"idempotency-key":
            return True
        if name in _METHOD_FIELDS:
            methods.append(value.decode("latin-1").strip().upper())
    return all(each in IDEMPOTENT_METHODS for each in methods)


def wants_document(api: Api, status: int) -> bool:
    """Whether a reply's content can tell something of a limit."""
    limits = _limits(api)
    if status in limits.statuses and (limits.body_rules or any(r.source == "body" for r in api.retry_after)):
        return True
    return any(status in rule.statuses for rule in limits.body_rules) or any(
        rule.source == "body" and status in rule.statuses for rule in api.retry_after
    )


def is_temporary(
    api: Api, status: int, raw_headers: Iterable[Field] = (), document: object = None, *, now: datetime
) -> bool:
    """Whether the same request may succeed later: by the status, by what says that there were too many calls,
    and by an error that tells when to come again.

    document: the content as JSON, where wants_document() asks for it.
    """
    if status in _TEMPORARY_STATUS_CODES:
        return True
    values = _values(raw_headers)
    return _is_limited(api, status, values, document) or (
        status >= 400 and _asked_wait(api, status, values, document, now=now) is not None
    )


def told_wait(
    api: Api, status: int, raw_headers: Iterable[Field], document: object = None, *, now: datetime
) -> float | None:
    """How long the provider asks to wait, by the rules of its catalogue entry; None: it does not say, or the
    reply is a good one (a 202 tells so when to look again).

    In this order: a limit that the content names as LASTING; Retry-After and its like; the wait of the limit
    that the content names; the end of the windows of which limit fields say that nothing is left. document
    as in is_temporary(); without it the header section alone is read. At most MAX_WAIT_SECONDS, or LASTING.
    """
    values = _values(raw_headers)
    named = _named_limit(api, status, document)
    is_limited = _is_limited(api, status, values, document)
    if status < 400 and not is_limited:
        return None
    if named is not None and named.is_lasting:
        return LASTING
    asked = _asked_wait(api, status, values, document, now=now)
    if asked is not None:
        return asked
    if named is not None and named.wait_seconds is not None:
        return _clamped(named.wait_seconds)
    return _window_wait(_limits(api).headers, values, now=now) if is_limited else None


def wait_seconds(
    api: Api,
    raw_headers: Iterable[Field],
    *,
    now: datetime,
    status: int = 429,
    longest: float = MAX_WAIT_SECONDS,
) -> float | None:
    """How long the provider asks to wait by Retry-After and its like alone; None: it does not say."""
    return _asked_wait(api, status, _values(raw_headers), None, now=now, longest=longest)


def retry_after(
    value: str, *, now: datetime, unit: str = "auto", longest: float = MAX_WAIT_SECONDS
) -> float | None:
    """Seconds from now, rounded up to whole ones, between 0 and the longest; None for nonsense.

    Takes seconds, fractions and HTTP dates (RFC 9110 section 10.2.3) whatever the unit, and milliseconds, an
    epoch, an ISO 8601 moment or a duration such as 1m30s where the unit says so.
    """
    text = value.strip()
    if unit == "duration" and _DURATION(text):
        return _clamped(sum(float(number) * _UNIT_SECONDS[name] for number, name in _parts(text)), longest)
    if not _NUMBER(text):
        return _clamped(_until_iso(text, now) if unit == "iso8601" else _until_date(text, now), longest)
    number = float(text)
    if unit in ("epoch_s", "epoch_ms"):
        number = number / (1000 if unit == "epoch_ms" else 1) - now.timestamp()
    elif unit == "ms":
        number /= 1000
    return _clamped(number, longest)


def backoff(tries: int) -> float:
    """Seconds before the next try when the provider does not say: doubling, with jitter."""
    longest = min(_BACKOFF_MAX_SECONDS, _BACKOFF_FIRST_SECONDS * 2**tries)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 (spread, not secrecy)


def _limits(api: Api) -> RateLimitRules:
    return _ANY_LIMIT if api.rate_limit is None else api.rate_limit


def _values(raw_headers: Iterable[Field]) -> dict[str, str]:
    """Values by names in lower case; of a repeated field the first."""
    values: dict[str, str] = {}
    for name, value in raw_headers:
        values.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return values


def _is_limited(api: Api, status: int, values: Mapping[str, str], document: object) -> bool:
    limits = _limits(api)
    if status in limits.statuses or _named_limit(api, status, document) is not None:
        return True
    return status in limits.exhausted_statuses and any(_is_exhausted(rule, values) for rule in limits.headers)


def _named_limit(api: Api, status: int, document: object) -> RateLimitBodyRule | None:
    limits = _limits(api)
    if document is None:
        return None
    for rule in limits.body_rules:
        if status in limits.statuses or status in rule.statuses:
            value = lookup(document, rule.path)
            if value is not None and as_text(value) in rule.values:
                return rule
    return None


def _asked_wait(
    api: Api,
    status: int,
    values: Mapping[str, str],
    document: object,
    *,
    now: datetime,
    longest: float = MAX_WAIT_SECONDS,
) -> float | None:
    for rule in api.retry_after:
        if not rule.statuses or status in rule.statuses:
            value = _asked(rule, values, document)
            wait = None if value is None else retry_after(value, unit=rule.unit, now=now, longest=longest)
            if wait is not None:
                return wait
    return None


def _asked(rule: RetryAfterRule, values: Mapping[str, str], document: object) -> str | None:
    if rule.source == "header":
        return values.get(rule.name.lower())
    value = None if document is None else lookup(document, rule.name)
    return None if value is None else as_text(value)


def _window_wait(
    rules: Iterable[RateLimitHeaders], values: Mapping[str, str], *, now: datetime
) -> float | None:
    """Until the last of the exhausted windows ends; the whole of one whose end is not told."""
    waits = [_window_end(rule, values, now=now) for rule in rules if _is_exhausted(rule, values)]
    return max((wait for wait in waits if wait is not None), default=None)


def _is_exhausted(rule: RateLimitHeaders, values: Mapping[str, str]) -> bool:
    text = values.get(rule.remaining.lower(), "").strip() if rule.remaining else ""
    return bool(_NUMBER(text.removeprefix("-"))) and float(text) <= 0


def _window_end(rule: RateLimitHeaders, values: Mapping[str, str], *, now: datetime) -> float | None:
    reset = values.get(rule.reset.lower()) if rule.reset else None
    wait = None if reset is None else retry_after(reset, unit=rule.reset_unit, now=now)
    if wait is None and rule.interval:
        wait = retry_after(values.get(rule.interval.lower(), ""), unit=rule.interval_unit, now=now)
    if wait is None and rule.interval_seconds is not None:
        wait = _clamped(rule.interval_seconds)
    return wait


def _parts(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = _DURATION_PARTS(text)
    return found


def _until_date(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return _until(moment, now)


def _until_iso(text: str, now: datetime) -> float | None:
    try:
        return _until(datetime.fromisoformat(text), now)
    except ValueError:
        return _until_date(text, now)


def _until(moment: datetime, now: datetime) -> float | None:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return (moment - now).total_seconds()
    except OverflowError:  # the first or the last day of the calendar in another time zone
        return None


def _clamped(seconds: float | None, longest: float = MAX_WAIT_SECONDS) -> float | None:
    if seconds is None:
        return None
    return float(min(max(0, math.ceil(seconds)), longest))
