"""Primary keys that sort by time, so that one index serves as key, as order and as the way to what is old."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime

_VARIANT = 0x8000_0000_0000_0000
_VERSION = 0x7000


def hex_id(epoch_seconds: float, randomness: bytes) -> str:
    """A UUID of version 7 (RFC 9562 section 5.7) in hex, of that moment to the millisecond.

    randomness: ten bytes. Costs a quarter of making a `uuid.UUID`, of which a batch needs hundreds.
    """
    high = int(epoch_seconds * 1000) << 16 | _VERSION | int.from_bytes(randomness[:2], "big") & 0x0FFF
    low = _VARIANT | int.from_bytes(randomness[2:], "big") & 0x3FFF_FFFF_FFFF_FFFF
    return f"{high:016x}{low:016x}"


def new_id() -> uuid.UUID:
    """One of now."""
    return uuid.UUID(hex_id(time.time(), os.urandom(10)))


def first_id(at: datetime) -> uuid.UUID:
    """What every key of that moment or later is not below. Raises ValueError before 1970."""
    milliseconds = int(at.timestamp() * 1000)
    if milliseconds < 0:
        raise ValueError("before 1970")
    return uuid.UUID(int=milliseconds << 80)
