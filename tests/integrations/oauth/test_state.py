"""The state parameter."""

from __future__ import annotations

import base64

import pytest

from integrations.oauth.state import digest, matches, new_state


def test_a_state_holds_256_bits_and_is_never_the_same() -> None:
    states = {new_state() for _ in range(100)}
    assert len(states) == 100
    assert {len(base64.urlsafe_b64decode(state + "=")) for state in states} == {32}


def test_the_digest_is_the_sha_256_of_fips_180_2() -> None:
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_state_matches_its_own_digest_only() -> None:
    assert matches("abc", digest("abc"))
    assert not matches("abd", digest("abc"))


@pytest.mark.parametrize(
    ("value", "known"), [(None, digest("")), ("", digest("")), ("abc", "é"), ("abc", "")]
)
def test_nothing_and_nonsense_never_match(value: str | None, known: str) -> None:
    assert not matches(value, known)


def test_a_lone_surrogate_does_not_raise() -> None:
    assert not matches("\ud800", digest("abc"))
