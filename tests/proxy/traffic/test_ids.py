"""Keys that sort by time."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from proxy.traffic.ids import first_id, hex_id, new_id


def test_a_key_is_rfc_9562s_own_example_of_version_7() -> None:
    """Appendix A.6: 22 February 2022, 19:22:22 UTC, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F."""
    randomness = (0x0CC3).to_bytes(2, "big") + (0x18C4DC0C0C07398F).to_bytes(8, "big")
    assert uuid.UUID(hex_id(1645557742.000, randomness)) == uuid.UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


def test_later_keys_are_greater_in_hex_too() -> None:
    earliest, latest = hex_id(1000.001, b"\xff" * 10), hex_id(1000.002, b"\0" * 10)
    assert earliest < latest
    assert uuid.UUID(earliest) < uuid.UUID(latest)


def test_the_first_key_of_a_moment_parts_what_was_before_from_what_was_not() -> None:
    moment = datetime(2026, 11, 25, 10, 0, 0, 5_000, tzinfo=UTC)
    bound = first_id(moment)
    assert uuid.UUID(hex_id(moment.timestamp() - 0.001, b"\xff" * 10)) < bound
    assert bound <= uuid.UUID(hex_id(moment.timestamp(), b"\0" * 10))
    assert new_id().version == 7


def test_there_is_no_key_before_the_epoch() -> None:
    with pytest.raises(ValueError, match="1970"):
        first_id(datetime(1969, 12, 31, tzinfo=UTC))
