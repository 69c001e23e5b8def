"""How long a refresh may take, and how long everybody waits after one that failed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import provider_calls, setup, tokens
from integrations.errors import ProviderError, ProviderRefused, ProviderUnavailable, RefreshUnavailable
from integrations.models import ClientCredentials, Connection, Integration
from integrations.models.connection import Status
from integrations.oauth.verdicts import Verdict
from integrations.tokens import lease, outcomes
from integrations.tokens.refresh import load
from sealing import Secret
from tests import factories
from tests.factories import World
from tests.integrations.tokens.conftest import MakeConnection, expire, fail_token_endpoint

pytestmark = [pytest.mark.django_db, pytest.mark.db]
CALL_SECONDS = 14.9


class SlowProvider:
    """Answers each token call after CALL_SECONDS on its own clock with the next of the given errors."""

    def __init__(self, *errors: ProviderError) -> None:
        self.now = 1_000.0
        self.errors = list(errors)
        self.calls = 0

    def monotonic(self) -> float:
        return self.now

    def refresh(self, *_: Any, **__: Any) -> Any:
        self.calls += 1
        self.now += CALL_SECONDS
        raise self.errors.pop(0)


def lost() -> ProviderUnavailable:
    return ProviderUnavailable("The reply was lost.", outcome_unknown=True)


def wrong_secret() -> ProviderRefused:
    return ProviderRefused("No.", error="invalid_client", verdict=Verdict.CLIENT_WRONG)


@pytest.mark.parametrize(
    ("errors", "calls"),
    [
        ((lost(), lost()), 2),
        ((lost(), wrong_secret(), lost()), 2),
        ((wrong_secret(), lost(), lost()), 2),
        ((wrong_secret(), wrong_secret()), 2),
    ],
)
def test_ref_07_no_token_call_outlives_the_lease(
    world: World, monkeypatch: pytest.MonkeyPatch, errors: tuple[ProviderError, ...], calls: int
) -> None:
    provider = SlowProvider(*errors)
    monkeypatch.setattr(provider_calls, "refresh", provider.refresh)
    monkeypatch.setattr(outcomes.time, "monotonic", provider.monotonic)
    world.client.next_client_secret = Secret("the-next-secret-0123456789")
    world.client.save()
    made = factories.connection(world)
    owner = lease.take(made.pk, token_version=1)
    assert owner is not None
    outcomes.refresh_under_lease(load(made.pk), owner=owner, clock=timezone.now)
    assert provider.calls == calls
    assert calls * CALL_SECONDS < lease.LEASE.total_seconds()
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE


def test_a_use_asks_again_when_the_longest_retry_after_is_over(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    Connection.objects.filter(pk=made.pk).update(refresh_failures=9, refresh_failing_since=timezone.now())
    fail_token_endpoint(at_sandbox, status=503, body="")
    with pytest.raises(RefreshUnavailable) as refused:
        tokens.ensure_fresh(made.pk)
    row = Connection.objects.get(pk=made.pk)
    assert row.next_refresh_at is not None and row.refresh_not_before is not None
    assert row.next_refresh_at > timezone.now() + timedelta(minutes=40), "the sweep backs off further"
    later = timezone.now() + timedelta(seconds=refused.value.retry_after)
    assert tokens.ensure_fresh(made.pk, clock=lambda: later).version == made.token_version + 1


def test_ref_14_a_client_that_is_refused_for_long_is_asked_rarely_by_the_sweep(
    connected: MakeConnection, at_sandbox: Any, world: World
) -> None:
    made = connected(expired=True)
    ClientCredentials.objects.update(rejected_since=timezone.now() - timedelta(hours=2))
    fail_token_endpoint(at_sandbox, status=400, body={"status": "BAD_CLIENT_SECRET"})
    with pytest.raises(RefreshUnavailable):
        tokens.ensure_fresh(made.pk)
    row = Connection.objects.get(pk=made.pk)
    assert row.next_refresh_at is not None
    assert row.next_refresh_at > timezone.now() + timedelta(minutes=25)
    Connection.objects.update(refresh_not_before=timezone.now() - timedelta(seconds=1))
    setup.retry_connections(world.client)
    assert list(Connection.objects.due(timezone.now())) == [row]


def test_ref_12_refreshes_that_somebody_asks_for_do_not_use_up_the_six_tries(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    long_ago = timezone.now() - timedelta(hours=3)
    Connection.objects.filter(pk=made.pk).update(refresh_failing_since=long_ago)
    fail_token_endpoint(at_sandbox, times=10, status=400, body={"error": "invalid_request"})
    for _ in range(outcomes.UNKNOWN_TRIES + 1):
        with pytest.raises(RefreshUnavailable):
            tokens.refresh_now(made.pk)
    assert Connection.objects.get(pk=made.pk).status != Status.RECONNECT_REQUIRED


def test_a_value_that_the_address_needs_and_that_is_gone_is_temporary_trouble(world: World) -> None:
    Integration.objects.update(provider_id="servicenow")
    made = factories.connection(world, expires_in=1800)
    expire(made.pk)
    with pytest.raises(RefreshUnavailable):
        tokens.ensure_fresh(made.pk)
    assert Connection.objects.get(pk=made.pk).lease_owner is None
