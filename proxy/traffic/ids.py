"""Primary keys that sort by time, so that one index serves as key, as order and as the way to what is old."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime

#: random digits that hex_id() takes
DIGITS = 18


def hex_id(milliseconds: int, digits: str) -> str:
    """A UUID of version 7 (RFC 9562 section 5.7) in hex, of that moment of the epoch.

    digits: DIGITS random hexadecimal ones. Two more bits could be random; as text they cost more than they tell
    apart. Costs a tenth of making a `uuid.UUID`, of which a batch needs hundreds.
    """
    return f"{milliseconds:012x}7{digits[:3]}8{digits[3:]}"


def random_digits(count: int) -> list[str]:
    """Digits for so many ids, by one call to the kernel, since each costs as much as an id."""
    drawn = os.urandom(count * DIGITS // 2).hex()
    return [drawn[first : first + DIGITS] for first in range(0, count * DIGITS, DIGITS)]


def new_id() -> uuid.UUID:
    """One of now."""
    return uuid.UUID(hex_id(int(time.time() * 1000), *random_digits(1)))


def first_id(at: datetime) -> uuid.UUID:
    """What every key of that moment or later is not below. Raises ValueError before 1970."""
    milliseconds = int(at.timestamp() * 1000)
    if milliseconds < 0:
        raise ValueError("before 1970")
    return uuid.UUID(int=milliseconds << 80)
