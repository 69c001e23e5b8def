"""Lifetimes and when to refresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.oauth.expiry import expires_at, is_due, refresh_due_at, refresh_margin

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def after(**parts: float) -> datetime:
    return NOON + timedelta(**parts)


def test_ref_15_a_refresh_without_expires_in_reuses_the_last_lifetime() -> None:
    end = expires_at(NOON, None, previous_lifetime=1800, default_lifetime=3600)
    assert end == datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
    assert not any(is_due(after(minutes=minute), end, lifetime=1800) for minute in range(10))


@pytest.mark.parametrize(
    ("told", "previous", "default", "seconds"),
    [(1800, 60, 60, 1800), (None, None, 3600, 3600), (None, 0, 3600, 3600), (0, 1800, 3600, 0)],
)
def test_ref_15_the_lifetime_is_told_or_the_last_or_the_providers(
    told: int | None, previous: int | None, default: int | None, seconds: int
) -> None:
    end = expires_at(NOON, told, previous_lifetime=previous, default_lifetime=default)
    assert end == after(seconds=seconds)


def test_tok_02_an_unknown_lifetime_is_never_due() -> None:
    end = expires_at(NOON, None, previous_lifetime=None, default_lifetime=None)
    assert end is None
    assert not is_due(after(days=30), end, lifetime=None)
    assert refresh_due_at(end, lifetime=None) is None


def test_tok_05_a_lifetime_of_zero_is_due_at_once() -> None:
    end = expires_at(NOON, 0, previous_lifetime=None, default_lifetime=None)
    assert is_due(NOON, end, lifetime=0)


@pytest.mark.parametrize(
    ("lifetime", "margin", "seconds"),
    [
        (1800, None, 180),
        (86_400, None, 300),
        (3000, None, 300),
        (60, None, 6),
        (5, None, 0),
        (None, None, 300),
        (600, 30, 30),
        (60, 600, 30),
        (None, 60, 60),
    ],
)
def test_the_margin_is_five_minutes_or_a_tenth_of_life_or_the_providers_own(
    lifetime: int | None, margin: int | None, seconds: int
) -> None:
    assert refresh_margin(lifetime, margin) == seconds


def test_a_token_is_due_from_the_margin_on() -> None:
    end = after(seconds=1800)
    assert refresh_due_at(end, lifetime=1800) == after(seconds=1620)
    assert not is_due(after(seconds=1619), end, lifetime=1800)
    assert is_due(after(seconds=1620), end, lifetime=1800)
    assert is_due(after(days=1), end, lifetime=1800)


def test_a_provider_that_refuses_early_renewals_is_not_asked_before() -> None:
    end = after(seconds=600)
    assert refresh_due_at(end, lifetime=600, minimum_age=570) == after(seconds=570)
    assert refresh_due_at(end, lifetime=600, minimum_age=60) == after(seconds=540)
    assert refresh_due_at(end, lifetime=600, minimum_age=900) == end
