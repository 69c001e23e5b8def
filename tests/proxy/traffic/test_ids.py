"""Keys that sort by time."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from proxy.traffic.ids import DIGITS, first_id, hex_id, new_id, random_digits


def test_a_key_is_rfc_9562s_own_example_of_version_7() -> None:
    """Appendix A.6: 22 February 2022, 19:22:22 UTC, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.

    Its first two bits of rand_b are 01; ours are always 00.
    """
    made = uuid.UUID(hex_id(1645557742000, "cc38c4dc0c0c07398f"))
    assert made == uuid.UUID("017F22E2-79B0-7CC3-88C4-DC0C0C07398F")
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_each_key_has_digits_of_its_own() -> None:
    drawn = random_digits(200)
    assert len(set(drawn)) == 200 and {len(digits) for digits in drawn} == {DIGITS}
    assert {uuid.UUID(hex_id(1, digits)).version for digits in drawn} == {7}


def test_later_keys_are_greater_in_hex_too() -> None:
    earliest, latest = hex_id(1_000_001, "f" * DIGITS), hex_id(1_000_002, "0" * DIGITS)
    assert earliest < latest
    assert uuid.UUID(earliest) < uuid.UUID(latest)


def test_the_first_key_of_a_moment_parts_what_was_before_from_what_was_not() -> None:
    moment = datetime(2026, 11, 25, 10, 0, 0, 5_000, tzinfo=UTC)
    bound = first_id(moment)
    milliseconds = round(moment.timestamp() * 1000)
    assert uuid.UUID(hex_id(milliseconds - 1, "f" * DIGITS)) < bound
    assert bound <= uuid.UUID(hex_id(milliseconds, "0" * DIGITS))
    assert new_id().version == 7


def test_there_is_no_key_before_the_epoch() -> None:
    with pytest.raises(ValueError, match="1970"):
        first_id(datetime(1969, 12, 31, tzinfo=UTC))
