"""The sweep that refreshes ahead of use: every connection gets its turn, whatever state the others are in."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from accounts.models import AuditEntry
from integrations import provider_calls, tasks
from integrations.errors import ProviderUnavailable
from integrations.models import ClientCredentials, Connection, Integration, ProviderPace
from integrations.models.connection import Status
from integrations.oauth.token_response import TokenResponse, parse_token_response
from integrations.tokens import claims, lease, sweep
from integrations.tokens.sweep import Ending
from tests import factories
from tests.factories import World
from tests.integrations.tokens.conftest import MakeConnection, fail_token_endpoint, refreshes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.db]
LONG_AGO = timedelta(hours=5)


def reply(access_token: str, **members: Any) -> TokenResponse:
    body = {"access_token": access_token, "token_type": "bearer", **members}
    return parse_token_response(200, "application/json", json.dumps(body).encode())


class Provider:
    """Stands where the token call is made; knows each connection by its refresh token."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.behave: Callable[[str], None] = lambda refresh_token: None
        self._lock = threading.Lock()

    def refresh(self, provider: Any, *, refresh_token: str, **_: Any) -> TokenResponse:
        with self._lock:
            self.asked.append(refresh_token)
        self.behave(refresh_token)
        return reply(f"new-of-{refresh_token}-0123456789", expires_in=1800)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    made = Provider()
    monkeypatch.setattr(provider_calls, "refresh", made.refresh)
    return made


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run looks ten times as often as in production at what came meanwhile; most tests here waited for that."""
    monkeypatch.setattr(sweep, "_SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(sweep, "_PACED_SECONDS", 0.05)


def due(world: World, identifier: str, **fields: Any) -> Connection:
    fields.setdefault("next_refresh_at", timezone.now() - timedelta(minutes=1))
    return factories.connection(world, identifier, refresh_token=f"refresh-{identifier}", **fields)


def run(**options: Any) -> sweep.Report:
    report = sweep.run(threads=options.pop("threads", 4), seconds=options.pop("seconds", 10), **options)
    assert report is not None
    return report


def unavailable(_: str) -> None:
    raise ProviderUnavailable("The provider could not answer just now.", status=503)


def test_what_is_due_is_refreshed_and_due_again_before_it_ends(world: World, provider: Provider) -> None:
    made = due(world, "one")
    later = due(world, "two", next_refresh_at=timezone.now() + timedelta(hours=1))
    assert run().renewed == 1
    row = Connection.objects.get(pk=made.pk)
    assert (row.token_version, row.lease_owner, row.unfinished_refreshes) == (2, None, 0)
    assert row.access_token.open().reveal() == "new-of-refresh-one-0123456789"
    assert row.next_refresh_at is not None and row.access_token_expires_at is not None
    ahead = row.access_token_expires_at - row.next_refresh_at
    assert timedelta(minutes=3) <= ahead <= timedelta(minutes=6), (
        "before the margin at which a use would wait"
    )
    assert Connection.objects.get(pk=later.pk).token_version == 1


def test_ref_24_failing_connections_do_not_keep_others_from_their_turn(
    world: World, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BATCH", 3)
    """1,200 and 300 in batches of 500, in small: what has failed before says nothing about the provider."""
    long_ago = timezone.now() - LONG_AGO
    stuck = [due(world, f"stuck-{n}", next_refresh_at=long_ago, refresh_failures=3) for n in range(12)]
    healthy = [due(world, f"healthy-{n}") for n in range(5)]

    def behave(refresh_token: str) -> None:
        if "stuck" in refresh_token:
            unavailable(refresh_token)

    provider.behave = behave
    report = run()
    assert (report.found, report.endings[Ending.PUT_OFF], report.renewed) == (17, 12, 5)
    assert sorted(provider.asked) == sorted(
        f"refresh-{row.customer.foreign_identifier}" for row in stuck + healthy
    )
    versions = Connection.objects.filter(pk__in=[row.pk for row in healthy]).values_list(
        "token_version", flat=True
    )
    assert set(versions) == {2}


def test_ref_24_a_provider_that_hangs_does_not_hold_up_the_others(world: World, provider: Provider) -> None:
    other = factories.world("Other", "xero-dev", of=factories.integration("xero-dev", "xero", client_id="x"))
    for number in range(20):
        due(world, f"slow-{number}", next_refresh_at=timezone.now() - LONG_AGO)
    made = [due(other, f"quick-{number}") for number in range(3)]
    are_done = threading.Event()
    answered: list[str] = []

    def behave(refresh_token: str) -> None:
        if "slow" in refresh_token:
            are_done.wait(20)
            unavailable(refresh_token)
        answered.append(refresh_token)
        if len(answered) == len(made):
            are_done.set()

    provider.behave = behave
    run(threads=4)
    assert len(answered) == 3
    rows = Connection.objects.filter(pk__in=[row.pk for row in made])
    assert set(rows.values_list("token_version", flat=True)) == {2}
    assert are_done.is_set(), "the others came while the slow ones hung"


def test_ops_02_two_runs_at_once_share_what_is_due_without_doubling(
    world: World, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BATCH", 5)
    for number in range(30):
        due(world, str(number))
    monkeypatch.setattr(sweep, "_claiming", threading.Semaphore(2))  # as if they were two processes
    reports: list[sweep.Report] = []

    def work() -> None:
        try:
            reports.append(run(threads=3))
        finally:
            database.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(report.renewed for report in reports) == 30
    assert len(provider.asked) == len(set(provider.asked)) == 30


def test_one_process_does_not_claim_twice_at_once(world: World, provider: Provider) -> None:
    due(world, "one")
    with sweep._claiming:
        assert sweep.run() is None
        assert tasks.refresh_due() == 0
    assert provider.asked == []
    assert tasks.refresh_due() == 1


def test_more_workers_are_called_while_whole_batches_are_due(
    world: World, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BATCH", 2)
    monkeypatch.setattr(sweep, "_HELP_SECONDS", 0.0)
    sent: list[Any] = []
    monkeypatch.setattr(tasks.refresh_due, "apply_async", lambda **options: sent.append(options["kwargs"]))
    for number in range(40):
        due(world, str(number))
    tasks.refresh_due(is_helper=True)
    assert sent == []
    Connection.objects.update(next_refresh_at=timezone.now())
    tasks.refresh_due()
    assert 1 <= len(sent) <= 10
    assert sent[0] == {"is_helper": True}


def test_ops_04_what_a_killed_worker_had_claimed_is_due_again(world: World, provider: Provider) -> None:
    made = due(world, "one")
    batch = claims.claim(
        world.integration.provider, [world.integration], limit=claims.BATCH, now=timezone.now()
    )
    assert [row.pk for row, _ in batch.ready] == [made.pk]
    assert run().found == 0
    claimed_until = Connection.objects.get(pk=made.pk).next_refresh_at
    assert claimed_until is not None
    assert timedelta() < claimed_until - timezone.now() <= claims.CLAIM
    Connection.objects.update(next_refresh_at=timezone.now())
    assert run().renewed == 1


def test_ref_06_a_refresh_at_use_between_claim_and_turn_is_not_repeated(
    world: World, provider: Provider
) -> None:
    made = due(world, "one")
    batch = claims.claim(world.integration.provider, [world.integration], limit=10, now=timezone.now())
    Connection.objects.filter(pk=made.pk).update(token_version=2)
    sweep._refresh(sweep._Job(batch.ready[0][0], "hubspot", 0.0, 0.0))
    assert provider.asked == []


def test_ref_23_an_idle_connection_is_put_off_to_a_day_and_then_refreshed(
    world: World, provider: Provider
) -> None:
    now = timezone.now()
    idle = due(world, "idle")
    Connection.objects.filter(pk=idle.pk).update(
        connected_at=now - timedelta(days=9), token_stored_at=now - timedelta(hours=2)
    )
    assert run().found == 1
    assert provider.asked == []
    put_off_to = Connection.objects.get(pk=idle.pk).next_refresh_at
    assert now + timedelta(hours=20) < put_off_to < now + timedelta(hours=22)
    Connection.objects.filter(pk=idle.pk).update(
        token_stored_at=now - timedelta(hours=25), next_refresh_at=now - timedelta(minutes=1)
    )
    assert run().renewed == 1
    touched = Connection.objects.get(pk=idle.pk).next_refresh_at
    assert now + timedelta(hours=22) < touched <= now + timedelta(hours=25), "idle still: a day later again"


def test_ref_23_what_has_no_refresh_token_is_never_due(world: World, provider: Provider) -> None:
    made = due(world, "one")
    Connection.objects.filter(pk=made.pk).update(refresh_token=None)
    assert run().renewed == 0
    assert provider.asked == []


def test_tok_05_a_token_that_never_lives_is_not_renewed_in_a_circle(
    world: World, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = due(world, "one")
    never = reply("new-0123456789-0123456789", expires_in=0)
    asked: list[int] = []
    monkeypatch.setattr(provider_calls, "refresh", lambda *a, **k: asked.append(1) or never)
    run()
    assert len(asked) == 1
    assert Connection.objects.get(pk=made.pk).next_refresh_at > timezone.now() + timedelta(minutes=4)


def test_ref_23_a_token_that_tells_no_end_is_renewed_after_a_day(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    yesterday = timezone.now() - timedelta(hours=25)
    Connection.objects.filter(pk=made.pk).update(
        access_token_expires_at=None,
        access_token_lifetime=None,
        token_stored_at=yesterday,
        connected_at=yesterday,
        next_refresh_at=timezone.now() - timedelta(minutes=1),
    )
    assert tasks.refresh_due() == 1
    assert len(refreshes(at_sandbox)) == 1
    row = Connection.objects.get(pk=made.pk)
    assert row.token_version == made.token_version + 1
    assert row.next_refresh_at is not None and row.next_refresh_at > timezone.now()


def test_ref_30_a_provider_in_trouble_is_asked_by_one_connection_at_a_time(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [connected(f"customer-{number}") for number in range(20)]
    Connection.objects.update(next_refresh_at=timezone.now())
    monkeypatch.setattr(claims, "BATCH", 6)
    fail_token_endpoint(at_sandbox, times=1000, status=503, body="")
    run(threads=6)
    tried = len(refreshes(at_sandbox))
    assert 5 <= tried <= 12, "what was under way when that was clear, and no more"
    left = Connection.objects.filter(refresh_failures=0)
    assert left.count() == len(made) - tried
    assert set(left.values_list("status", flat=True)) == {Status.ACTIVE}, "what stays due has not failed"
    assert run().found == 0
    ProviderPace.objects.update(asks_again_at=timezone.now())
    run()
    assert len(refreshes(at_sandbox)) == tried + 1
    at_sandbox.control("DELETE", "/_control/faults")
    ProviderPace.objects.update(asks_again_at=timezone.now())
    report = run()
    assert report.renewed == len(made) - tried - 1, "open again at the first success"
    pace = ProviderPace.objects.get()
    assert (pace.failures, pace.asks_again_at) == (0, None)


def test_ref_24_many_that_begin_to_fail_do_not_keep_the_provider_closed(
    world: World, provider: Provider
) -> None:
    """Where each customer has a host of its own: the probe is one that has not failed yet, from either end."""
    for number in range(30):
        due(world, f"broken-{number}", next_refresh_at=timezone.now() - LONG_AGO)
    healthy = due(world, "healthy")

    def behave(refresh_token: str) -> None:
        if "broken" in refresh_token:
            unavailable(refresh_token)

    provider.behave = behave
    for _ in range(40):
        run(threads=4)
        ProviderPace.objects.update(asks_again_at=None)
        if Connection.objects.get(pk=healthy.pk).token_version == 2:
            break
    assert Connection.objects.get(pk=healthy.pk).token_version == 2
    assert len(provider.asked) == len(set(provider.asked)), "none of them twice"


@pytest.mark.parametrize("status", [429, 503])
def test_ref_30_retry_after_is_honoured_by_the_sweep(
    connected: MakeConnection, at_sandbox: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    for number in range(3):
        connected(f"customer-{number}")
    Connection.objects.update(next_refresh_at=timezone.now())
    monkeypatch.setattr(claims, "BATCH", 1)
    fail_token_endpoint(at_sandbox, status=status, body="", headers={"Retry-After": "120"})
    run(threads=1)
    pace = ProviderPace.objects.get()
    assert pace.asks_again_at is not None
    assert pace.asks_again_at > timezone.now() + timedelta(seconds=100)
    failing = Connection.objects.get(refresh_failures=1)
    assert failing.next_refresh_at is not None
    assert failing.next_refresh_at > timezone.now() + timedelta(seconds=110)


def test_ref_14_an_old_client_that_is_refused_does_not_hold_up_the_current_one(
    world: World, provider: Provider
) -> None:
    now = timezone.now()
    old = ClientCredentials.objects.create(
        integration=world.integration,
        client_id="old",
        is_current=False,
        rejected_since=now,
        last_refused_at=now,
    )
    of_old = [due(world, f"old-{n}", next_refresh_at=now - LONG_AGO) for n in range(4)]
    Connection.objects.filter(pk__in=[row.pk for row in of_old]).update(client=old)
    for number in range(6):
        due(world, f"current-{number}")
    report = run()
    assert sorted(provider.asked) == [f"refresh-current-{number}" for number in range(6)]
    assert (report.renewed, report.found) == (6, 7)  # of the refused client one was looked at, and put off


def test_a_provider_that_left_the_catalogue_fails_nothing(world: World, provider: Provider) -> None:
    made = due(world, "orphan", expires_in=1)
    Integration.objects.update(provider_id="gone")
    assert run().found == 0
    assert tasks.refresh_connection(str(made.pk)) is False
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE


def test_ops_05_a_connection_that_kills_its_worker_is_refreshed_alone_and_left_after_three(
    world: World, provider: Provider
) -> None:
    killer, other = due(world, "killer", next_refresh_at=timezone.now() - LONG_AGO), due(world, "other")
    together: list[int] = []
    running = threading.Semaphore(0)

    def behave(refresh_token: str) -> None:
        running.release()
        together.append(running._value)
        threading.Event().wait(0.05)
        running.acquire()

    provider.behave = behave
    for crashes in range(claims.QUARANTINE_AFTER):
        assert Connection.objects.get(pk=killer.pk).unfinished_refreshes == crashes
        row = Connection.objects.get(pk=killer.pk)
        assert lease.take(killer.pk, token_version=row.token_version) is not None  # and the process dies here
        Connection.objects.filter(pk=killer.pk).update(
            lease_expires_at=timezone.now() - timedelta(seconds=1), next_refresh_at=timezone.now()
        )
    report = run()
    assert (report.found, report.renewed) == (2, 1)
    assert provider.asked == ["refresh-other"]
    row = Connection.objects.get(pk=killer.pk)
    assert (row.next_refresh_at, row.status) == (None, Status.ACTIVE)
    assert row.refresh_quarantined_at is not None
    entry = AuditEntry.objects.get(action="connection.refresh_quarantined")
    assert entry.changes == {"unfinished_refreshes": 3}
    assert other.pk != killer.pk


def test_ops_05_suspects_are_refreshed_one_by_one_and_cleared(world: World, provider: Provider) -> None:
    for number in range(3):
        due(world, f"suspect-{number}", unfinished_refreshes=1)
    for number in range(5):
        due(world, f"other-{number}")
    running, most_beside_suspects = set(), [0]
    lock = threading.Lock()

    def behave(refresh_token: str) -> None:
        with lock:
            running.add(refresh_token)
            if any("suspect" in name for name in running):
                most_beside_suspects[0] = max(most_beside_suspects[0], len(running))
        threading.Event().wait(0.03)
        with lock:
            running.discard(refresh_token)

    provider.behave = behave
    assert run().renewed == 8
    assert most_beside_suspects == [1]
    assert set(Connection.objects.values_list("unfinished_refreshes", flat=True)) == {0}


def test_a_refresh_that_ends_well_at_use_lifts_the_quarantine(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    from integrations import tokens

    made = connected(expired=True)
    Connection.objects.filter(pk=made.pk).update(
        unfinished_refreshes=3, refresh_quarantined_at=timezone.now(), next_refresh_at=None
    )
    tokens.ensure_fresh(made.pk)
    row = Connection.objects.get(pk=made.pk)
    assert (row.unfinished_refreshes, row.refresh_quarantined_at) == (0, None)
    assert row.next_refresh_at is not None


def test_ops_05_a_lifted_quarantine_makes_the_connection_due_again_whatever_came_of_the_refresh(
    world: World, provider: Provider
) -> None:
    made = due(world, "lifted", next_refresh_at=None)
    Connection.objects.filter(pk=made.pk).update(
        unfinished_refreshes=3, refresh_quarantined_at=timezone.now()
    )
    owner = lease.take(made.pk, token_version=made.token_version)
    assert owner is not None
    lease.release(made.pk, owner)  # nothing was stored and nothing noted: a key was missing, say
    row = Connection.objects.get(pk=made.pk)
    assert (row.unfinished_refreshes, row.refresh_quarantined_at) == (0, None)
    assert run().renewed == 1


def test_ops_10_a_process_that_is_asked_to_end_begins_nothing_more_and_leaves_the_rest_due(
    world: World, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = threading.Event()
    monkeypatch.setattr(sweep, "_stopping", stopping)
    for number in range(8):
        due(world, f"stopped-{number}")
    provider.behave = lambda _: stopping.set()
    report = run(threads=1)
    assert (report.renewed, len(provider.asked)) == (1, 1)
    assert Connection.objects.due(timezone.now()).count() == 7
