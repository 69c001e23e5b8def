"""When tokens are renewed ahead of use, and when partners are told of an end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import catalogue, provider_calls, tasks, tokens
from integrations.catalogue import OAuth
from integrations.catalogue.oauth_settings import Lifetimes
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.oauth.token_response import TokenResponse, parse_token_response
from integrations.tokens import ending, plan
from tests import factories
from tests.factories import World

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def oauth(**fields: Any) -> OAuth:
    lifetimes = {name: fields.pop(name) for name in list(fields) if name.startswith("refresh_token_")}
    return replace(catalogue.get("hubspot").oauth, lifetimes=Lifetimes(**lifetimes), **fields)


def many(rules: OAuth, *, lives: int | None, is_used: bool, count: int = 300, **told: Any) -> list[timedelta]:
    """How far from now each of many connections that are stored at once is due."""
    expires_at = None if lives is None else NOW + timedelta(seconds=lives)
    given = {"now": NOW, "expires_at": expires_at, "lifetime": lives, "is_used": is_used, **told}
    return [plan.next_refresh(rules, **given) - NOW for _ in range(count)]


def test_connections_of_one_moment_do_not_come_due_in_one_second() -> None:
    found = many(oauth(), lives=1800, is_used=True)
    assert len({due // timedelta(seconds=1) for due in found}) > 60


def test_jitter_is_bounded_and_always_towards_earlier() -> None:
    found = many(oauth(), lives=1800, is_used=True)
    due = timedelta(seconds=1800 - 180)
    assert max(found) <= due
    assert min(found) >= due * 0.9
    long = many(oauth(), lives=43_200, is_used=True)
    assert timedelta(seconds=43_200 - 300) - timedelta(minutes=5) <= min(long)


def test_ref_23_an_idle_connection_is_touched_once_a_day() -> None:
    found = many(oauth(), lives=1800, is_used=False)
    assert DAY - timedelta(hours=1) <= min(found) <= max(found) <= DAY


@pytest.mark.parametrize("source", ["file", "reply"])
def test_ref_23_a_refresh_token_that_lapses_sooner_is_touched_at_a_third_of_its_idle_life(
    source: str,
) -> None:
    """So that two missed touches do no harm."""
    half_a_day = 43_200
    rules = oauth(refresh_token_idle_seconds=half_a_day) if source == "file" else oauth()
    told = {} if source == "file" else {"refresh_token_seconds": half_a_day}
    found = many(rules, lives=None, is_used=False, **told)
    assert timedelta(hours=3.6) <= min(found) <= max(found) <= timedelta(hours=4)


def test_a_token_that_tells_no_end_is_touched_even_when_it_is_used() -> None:
    assert max(many(oauth(), lives=None, is_used=True)) <= DAY


def test_a_long_lived_token_is_touched_daily_as_well() -> None:
    assert max(many(oauth(), lives=60 * 86_400, is_used=True)) <= DAY


def test_jitter_does_not_ask_a_provider_that_refuses_so_young_a_token() -> None:
    found = many(oauth(minimum_token_age_seconds=3_300), lives=3_600, is_used=True)
    assert min(found) >= timedelta(seconds=3_300)


def test_catalogue_lifetimes_never_make_a_touch_rarer_than_daily() -> None:
    for provider in catalogue.all_providers():
        interval = plan.touch_interval(provider.oauth)
        idle = provider.oauth.lifetimes.refresh_token_idle_seconds
        assert timedelta(hours=1) <= interval <= DAY
        assert idle is None or interval * 3 <= timedelta(seconds=idle)


def reply(**members: Any) -> TokenResponse:
    body = {"access_token": "new-0123456789-0123456789", "refresh_token": "r2", "expires_in": 1800, **members}
    return parse_token_response(200, "application/json", json.dumps(body).encode())


def stored(row: Connection, *, rules: OAuth, now: datetime, **members: Any) -> Connection:
    """Store a refresh's reply and read the row back."""
    columns = tokens.token_columns(row, reply(**members), oauth=rules, now=now)
    Connection.objects.filter(pk=row.pk).update(**columns)
    return Connection.objects.get(pk=row.pk)


@pytest.fixture
def row(world: World) -> Connection:
    made = factories.connection(world)
    Connection.objects.filter(pk=made.pk).update(connected_at=NOW)
    return Connection.objects.get(pk=made.pk)


@pytest.mark.django_db
def test_ref_23_an_absolute_lifetime_counts_from_the_grant_and_no_refresh_moves_it(row: Connection) -> None:
    rules = oauth(refresh_token_absolute_seconds=100 * 86_400)
    once = stored(row, rules=rules, now=NOW + timedelta(days=1))
    assert once.refresh_token_expires_at == NOW + timedelta(days=100)
    assert once.refresh_token_alert_at == NOW + timedelta(days=90), "a tenth of 100 days ahead"
    again = stored(once, rules=rules, now=NOW + timedelta(days=50))
    assert again.refresh_token_expires_at == once.refresh_token_expires_at
    assert again.refresh_token_alert_at == once.refresh_token_alert_at


@pytest.mark.django_db
def test_a_new_consent_begins_an_absolute_lifetime_anew(row: Connection) -> None:
    rules, later = oauth(refresh_token_absolute_seconds=100 * 86_400), NOW + timedelta(days=80)
    columns = tokens.token_columns(row, reply(), oauth=rules, now=later, keeps_refresh_token=False)
    assert columns["refresh_token_expires_at"] == later + timedelta(days=100)
    earlier = tokens.token_columns(
        row, reply(), oauth=rules, now=later, keeps_refresh_token=False, granted_at=later - timedelta(days=30)
    )
    assert earlier["refresh_token_expires_at"] == later + timedelta(days=70)


@pytest.mark.django_db
def test_ref_23_an_end_that_each_refresh_moves_is_never_told(row: Connection) -> None:
    week = 7 * 86_400
    for days in range(30):
        now = NOW + timedelta(days=days)
        row = stored(row, rules=oauth(), now=now, refresh_token_expires_in=week)
        assert row.refresh_token_expires_at == now + timedelta(days=7)
        assert row.refresh_token_alert_at is not None
        assert row.refresh_token_alert_at > now + timedelta(days=6)


@pytest.mark.django_db
def test_ref_23_an_end_that_the_replies_count_down_to_is_told_once(row: Connection) -> None:
    ends_at = NOW + timedelta(days=30)
    told = 0
    for hours in range(0, 29 * 24, 6):
        now = NOW + timedelta(hours=hours)
        left = int((ends_at - now).total_seconds())
        row = stored(row, rules=oauth(), now=now, refresh_token_expires_in=left)
        told += ending.tell_due(now)
    assert told == 1
    event = Event.objects.get(type="connection.updated")
    assert event.data["refreshTokenExpiresAt"].startswith("2026-12-25T12:00:00")
    assert event.data["status"] == "active"
    assert AuditEntry.objects.filter(action="connection.grant_ends").count() == 1


@pytest.mark.django_db
def test_the_job_tells_grants_of_living_connections_alone(row: Connection, world: World) -> None:
    soon, past = timezone.now() + timedelta(days=3), timezone.now() - timedelta(minutes=1)
    ended = factories.connection(world, "two", status=Status.RECONNECT_REQUIRED)
    Connection.objects.update(refresh_token_expires_at=soon, refresh_token_alert_at=past)
    assert tasks.tell_ending_grants() == 1
    assert tasks.tell_ending_grants() == 0
    assert Event.objects.get(type="connection.updated").connection_id == row.pk
    assert Connection.objects.get(pk=ended.pk).refresh_token_alert_at == past


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_idle_for_long_is_kept_fresh_again_after_a_use(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The use is told to the plan at once, however late last_used_at is written."""
    made = factories.connection(world, expires_in=1800)
    ages_ago = timezone.now() - timedelta(days=40)
    Connection.objects.filter(pk=made.pk).update(
        connected_at=ages_ago, last_used_at=ages_ago, access_token_expires_at=timezone.now() - DAY
    )
    monkeypatch.setattr(provider_calls, "refresh", lambda *a, **k: reply())
    columns = tokens.token_columns(
        Connection.objects.get(pk=made.pk), reply(), oauth=oauth(), now=timezone.now()
    )
    assert columns["next_refresh_at"] > timezone.now() + timedelta(hours=22), "by the sweep: idle still"
    tokens.ensure_fresh(made.pk)
    row = Connection.objects.get(pk=made.pk)
    assert row.last_used_at == ages_ago, "written by the buffer, not by the refresh"
    assert row.next_refresh_at is not None
    assert row.next_refresh_at < timezone.now() + timedelta(minutes=27)
