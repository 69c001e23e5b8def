"""What lies between reading a row and taking its lease: another's whole refresh may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from integrations import tokens
from integrations.errors import ReconnectRequired, RefreshUnavailable
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.tokens import lease
from tests.integrations.tokens.conftest import MakeConnection, fail_token_endpoint, refreshes

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def test_ref_06_who_read_the_row_before_the_grant_ended_does_not_ask_the_provider_again(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connected(expired=True)
    at_sandbox.control("POST", "/_control/revoke", {"hubId": int(made.provider_account_id)})
    take = lease.take

    def later(connection_id: UUID, **as_read: Any) -> UUID | None:
        """Another process reads, asks, is refused, and gives the lease back, before this one takes it."""
        monkeypatch.setattr(lease, "take", take)
        with pytest.raises(ReconnectRequired):
            tokens.ensure_fresh(connection_id)
        return take(connection_id, **as_read)

    monkeypatch.setattr(lease, "take", later)
    with pytest.raises(ReconnectRequired):
        tokens.ensure_fresh(made.pk)
    assert len(refreshes(at_sandbox)) == 1
    assert Connection.objects.get(pk=made.pk).lease_owner is None


@pytest.mark.parametrize("status", [Status.RECONNECT_REQUIRED, Status.PAUSED, Status.DISCONNECTED])
def test_ref_06_what_may_not_be_used_has_no_lease_to_take(connected: MakeConnection, status: Status) -> None:
    made = connected()
    Connection.objects.filter(pk=made.pk).update(status=status)
    assert lease.take(made.pk, token_version=made.token_version) is None


@pytest.mark.parametrize("has_failed_before", [False, True])
def test_ref_30_who_read_the_row_before_another_failed_does_not_pass_over_the_back_off(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch, has_failed_before: bool
) -> None:
    made = connected(expired=True)
    if has_failed_before:
        Connection.objects.filter(pk=made.pk).update(
            refresh_not_before=timezone.now() - timedelta(seconds=1), refresh_failures=1
        )
    fail_token_endpoint(at_sandbox, times=9, status=503)
    take = lease.take

    def later(connection_id: UUID, **as_read: Any) -> UUID | None:
        """Another process reads, asks, fails for a passing reason, and gives the lease back, before this one."""
        monkeypatch.setattr(lease, "take", take)
        with pytest.raises(RefreshUnavailable):
            tokens.ensure_fresh(connection_id)
        return take(connection_id, **as_read)

    monkeypatch.setattr(lease, "take", later)
    with pytest.raises(RefreshUnavailable):
        tokens.ensure_fresh(made.pk)
    assert len(refreshes(at_sandbox)) == 1
    row = Connection.objects.get(pk=made.pk)
    assert (row.refresh_failures, row.lease_owner) == (2 if has_failed_before else 1, None)


def test_ref_36_a_refresh_asked_for_beside_another_that_fails_is_not_called_done(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connected()
    fail_token_endpoint(at_sandbox, times=9, status=503)
    take = lease.take

    def later(connection_id: UUID, **as_read: Any) -> UUID | None:
        monkeypatch.setattr(lease, "take", take)
        with pytest.raises(RefreshUnavailable):
            tokens.refresh_now(connection_id)
        return take(connection_id, **as_read)

    monkeypatch.setattr(lease, "take", later)
    with pytest.raises(RefreshUnavailable):
        tokens.refresh_now(made.pk)
    assert len(refreshes(at_sandbox)) == 1
