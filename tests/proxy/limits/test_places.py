"""Places in flight: whoever takes all it can get leaves some for others."""

from __future__ import annotations

import pytest

from proxy.limits.places import Places


def taken(places: Places, partner: str) -> int:
    """How many a partner gets until it is refused."""
    count = 0
    while places.take(partner):
        count += 1
    return count


def test_a_partner_alone_gets_half_and_two_a_third_each() -> None:
    places = Places(9_000)
    assert taken(places, "a") == 4_500
    places = Places(9_000)
    while any([places.take("a"), places.take("b")]):
        pass
    assert [held for _, held in sorted(places._held.items())] == [3_000, 3_000]
    assert places.take("c")


def test_two_thousand_slow_calls_of_one_partner_fit() -> None:
    places = Places(10_000)
    assert all(places.take("a") for _ in range(2_000))
    assert all(places.take("b") for _ in range(2_000))


def test_a_reserve_is_for_those_who_hold_few() -> None:
    envelopes = Places(64, reserve=16, few=8)
    assert taken(envelopes, "flood") == 64
    assert taken(envelopes, "other") == 8
    assert taken(envelopes, "third") == 8
    assert not envelopes.take("fourth")
    assert envelopes.taken == 80


@pytest.mark.parametrize("places", [Places(4), Places(4, reserve=1, few=1)])
def test_what_is_given_back_can_be_taken_again_and_leaves_nothing_behind(places: Places) -> None:
    for _ in range(100):
        count = taken(places, "a")
        assert count
        for _ in range(count):
            places.give_back("a")
    assert (places.taken, places._held) == (0, {})
