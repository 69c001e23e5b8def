"""When a call is made again, and after how long (contract section 4, Patchbay-Retries)."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from egress.wire import IDEMPOTENT_METHODS
from integrations.catalogue import Api
from proxy.credentials import Field

#: no wait is longer, whatever the provider says
MAX_WAIT_SECONDS = 900.0
_TEMPORARY_STATUS_CODES = frozenset({429, 502, 503, 504})
_BACKOFF_FIRST_SECONDS = 0.5
_BACKOFF_MAX_SECONDS = 20.0
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?").fullmatch


def may_repeat(method: str, fields: Iterable[Field]) -> bool:
    """Whether a second try cannot do the work twice (RFC 9110 section 9.2.2)."""
    return method in IDEMPOTENT_METHODS or any(name == b"idempotency-key" for name, _ in fields)


def is_temporary(api: Api, status: int) -> bool:
    """Whether the same request may succeed a little later."""
    limited = api.rate_limit is not None and status in api.rate_limit.statuses
    return limited or status in _TEMPORARY_STATUS_CODES


def wait_seconds(api: Api, raw_headers: Iterable[Field], *, now: datetime) -> float | None:
    """How long the provider asks to wait, by the header rules of its catalogue entry; None: it does not say."""
    values = {name.lower(): value for name, value in raw_headers}
    for rule in api.retry_after:
        value = values.get(rule.name.lower().encode("ascii")) if rule.source == "header" else None
        if value is not None:
            wait = retry_after(value.decode("latin-1"), unit=rule.unit, now=now)
            if wait is not None:
                return wait
    return None


def retry_after(value: str, *, now: datetime, unit: str = "auto") -> float | None:
    """Seconds from now, rounded up to whole ones, between 0 and MAX_WAIT_SECONDS; None for nonsense.

    Takes seconds, fractions and HTTP dates (RFC 9110 section 10.2.3) whatever the unit, and milliseconds or
    an epoch where the unit says so.
    """
    text = value.strip()
    if not _NUMBER(text):
        return _clamped(_until_date(text, now))
    number = float(text)
    if unit in ("epoch_s", "epoch_ms"):
        number = number / (1000 if unit == "epoch_ms" else 1) - now.timestamp()
    elif unit == "ms":
        number /= 1000
    return _clamped(number)


def backoff(tries: int) -> float:
    """Seconds before the next try when the provider does not say: doubling, with jitter."""
    longest = min(_BACKOFF_MAX_SECONDS, _BACKOFF_FIRST_SECONDS * 2**tries)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 (spread, not secrecy)


def _until_date(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()


def _clamped(seconds: float | None) -> float | None:
    if seconds is None:
        return None
    return float(min(max(0, math.ceil(seconds)), MAX_WAIT_SECONDS))
