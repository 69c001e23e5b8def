"""Whose a receipt is, and what dead workers leave: asked of the rows, by the database's clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Event
from proxy.models import Receipt, ReceiptPart
from proxy.models.receipt import OPEN, PartKind, State
from proxy.receipts import claims, contents, outcomes, recovery
from proxy.receipts.claims import Claim
from proxy.receipts.contents import StoredReply, StoredRequest
from proxy.receipts.outcomes import Outcome
from tests import factories
from tests.factories import World
from tests.proxy.receipts.made import receipt

pytestmark = [pytest.mark.django_db, pytest.mark.db]
PAST = timedelta(seconds=-1)
REPLY = StoredReply(200, [(b"x-a", b"1")], b"reply")


def only() -> Claim:
    (found,) = claims.claim(10, share=10)
    return found


def lapse(claimed: Claim) -> None:
    """As if the lease had run out."""
    Receipt.objects.filter(pk=claimed.receipt.pk).update(lease_expires_at=timezone.now() + PAST)


def now_of(made: Receipt) -> Receipt:
    return Receipt.objects.get(pk=made.pk)


def keep_request(made: Receipt) -> None:
    contents.write(contents.sealed(made.pk, PartKind.REQUEST, StoredRequest("/crm").packed()))


def test_a_receipt_is_claimed_once(world: World) -> None:
    made = receipt(world)
    held = only()
    assert held.receipt.pk == made.pk
    assert claims.claim(10, share=10) == []
    row = now_of(made)
    assert (row.state, row.tries, row.lease_owner, row.sent_at) == (State.RUNNING, 1, held.owner, None)


def test_two_that_saw_the_same_receipt_do_not_both_get_it(world: World, monkeypatch: Any) -> None:
    made = receipt(world)
    seen = claims._due(10)
    assert only()
    monkeypatch.setattr(claims, "_due", lambda share: seen)
    assert claims.claim(10, share=10) == []
    assert now_of(made).tries == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"state": State.CANCELLED},
        {"state": State.COMPLETED},
        {"state": State.OUTCOME_UNKNOWN},
        {"not_before": timedelta(minutes=1)},
        {"expires_at": PAST},
    ],
    ids=["cancelled", "completed", "outcome-unknown", "put-off", "expired"],
)
def test_what_is_not_due_is_not_claimed(world: World, fields: dict[str, Any]) -> None:
    at = {
        name: timezone.now() + value if isinstance(value, timedelta) else value
        for name, value in fields.items()
    }
    receipt(world, **at)
    assert claims.claim(10, share=10) == []
    assert claims.count_due(10) == 0


def test_partners_take_turns_and_none_gets_more_than_its_share(world: World) -> None:
    other = factories.world("Other", of=world.integration)
    loud = factories.connection(world)
    quiet = factories.connection(other)
    for _ in range(10):
        receipt(world, loud)
    late = receipt(other, quiet)
    first = claims.claim(2, share=4)
    assert late.pk in {one.receipt.pk for one in first}, "eleventh in line, and served among the first two"
    more = claims.claim(10, share=4, busy={world.partner.pk: 1})
    assert len(more) == 3
    assert claims.claim(10, share=4, busy={world.partner.pk: 4}) == []


def test_a_request_is_marked_as_sent_by_its_holder_alone(world: World) -> None:
    made = receipt(world)
    held = only()
    assert not claims.mark_sent(Claim(held.receipt, uuid4()))
    assert now_of(made).sent_at is None
    assert claims.mark_sent(held)
    assert now_of(made).sent_at is not None


def test_a_holder_that_has_slept_through_its_lease_sends_nothing(world: World) -> None:
    """Also when nobody has taken the receipt over yet: that may happen while it sends."""
    made = receipt(world, method="POST", is_repeatable=False)
    asleep = only()
    lapse(asleep)
    assert not claims.mark_sent(asleep)
    assert recovery.recover() == 1
    second = only()
    assert second.receipt.pk == made.pk
    assert not claims.mark_sent(asleep)
    assert claims.mark_sent(second)
    assert not outcomes.finish(asleep, Outcome(State.COMPLETED, REPLY))
    assert outcomes.finish(second, Outcome(State.COMPLETED, REPLY))
    assert Event.objects.count() == 1


def test_renewing_says_which_are_still_ours(world: World) -> None:
    receipt(world)
    lost = only()
    receipt(world)
    held = only()
    lapse(lost)
    recovery.recover()
    assert claims.renew([held.owner, lost.owner]) == {held.owner}
    lapse(held)
    assert claims.renew([held.owner]) == {held.owner}, "run out, and nobody was faster"
    assert claims.mark_sent(held)


def test_what_is_handed_back_is_claimed_again_and_counts_as_no_try(world: World) -> None:
    made = receipt(world)
    assert claims.hand_back(only())
    row = now_of(made)
    assert (row.state, row.tries, row.lease_owner) == (State.PENDING, 0, None)
    assert only().receipt.tries == 1


def test_what_may_have_been_sent_is_not_handed_back(world: World) -> None:
    made = receipt(world)
    held = only()
    claims.mark_sent(held)
    assert not claims.hand_back(held)
    assert now_of(made).state == State.RUNNING


def test_what_is_put_off_is_due_later(world: World) -> None:
    made = receipt(world)
    held = only()
    claims.mark_sent(held)
    assert claims.defer(held, seconds=30)
    row = now_of(made)
    assert (row.state, row.tries, row.sent_at) == (State.PENDING, 0, None)
    assert row.not_before is not None
    assert 20 < (row.not_before - timezone.now()).total_seconds() < 31
    assert claims.claim(10, share=10) == []


@pytest.mark.parametrize(
    ("is_sent", "is_repeatable", "tries", "state"),
    [
        (False, True, 1, State.PENDING),
        (False, False, 1, State.PENDING),
        (False, False, 9, State.PENDING),
        (True, True, 1, State.PENDING),
        (True, True, 2, State.PENDING),
        (True, True, 3, State.OUTCOME_UNKNOWN),
        (True, False, 1, State.OUTCOME_UNKNOWN),
        (True, False, 2, State.OUTCOME_UNKNOWN),
        (False, True, 10, State.FAILED),
        (False, False, 10, State.FAILED),
    ],
)
def test_what_a_dead_worker_held_is_repeated_only_where_that_does_no_harm(
    world: World, is_sent: bool, is_repeatable: bool, tries: int, state: State
) -> None:
    made = receipt(world, is_repeatable=is_repeatable, tries=tries - 1)
    keep_request(made)
    held = only()
    if is_sent:
        claims.mark_sent(held)
    assert recovery.recover() == 0, "its lease holds"
    lapse(held)
    assert recovery.recover() == 1
    row = now_of(made)
    owner = held.owner if state == State.OUTCOME_UNKNOWN else None
    assert (row.state, row.lease_owner) == (state, owner)
    assert Event.objects.filter(type="receipt.completed").count() == (state not in OPEN)
    kinds = list(ReceiptPart.objects.filter(receipt=made).values_list("kind", flat=True))
    if state == State.PENDING:
        assert (row.sent_at, kinds) == (None, ["request"])
        assert only().receipt.tries == tries + 1
    elif state == State.FAILED:
        assert (row.code, row.status, kinds) == ("internal_error", 500, ["result"])
    else:
        assert kinds == [], "nothing is kept of it"
        assert row.completed_at is not None
    assert recovery.recover() == 0


def test_a_holder_that_wakes_before_it_is_seen_to_keeps_its_receipt(world: World, monkeypatch: Any) -> None:
    """Read as stale, renewed before the change: the change looks once more."""
    made = receipt(world, is_repeatable=False)
    held = only()
    claims.mark_sent(held)
    lapse(held)
    stale = list(recovery._stale().select_related("partner"))
    claims.renew([held.owner])
    assert not recovery._seen_to(stale[0])
    assert now_of(made).state == State.RUNNING


def test_the_result_its_event_and_the_deletion_of_the_request_stand_or_fall_together(
    world: World, monkeypatch: Any
) -> None:
    made = receipt(world)
    keep_request(made)
    held = only()

    def fails(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(outcomes.events, "record", fails)
    with pytest.raises(ZeroDivisionError):
        outcomes.finish(held, Outcome(State.COMPLETED, REPLY))
    assert now_of(made).state == State.RUNNING
    assert [part.kind for part in ReceiptPart.objects.filter(receipt=made)] == ["request"]
    monkeypatch.undo()
    assert outcomes.finish(held, Outcome(State.COMPLETED, REPLY))
    assert now_of(made).state == State.COMPLETED
    assert [part.kind for part in ReceiptPart.objects.filter(receipt=made)] == ["result"]
    event = Event.objects.get()
    assert (event.connection_id, event.partner_id) == (made.connection_id, world.partner.pk)
    assert not outcomes.finish(held, Outcome(State.FAILED, REPLY)), "once"


def test_a_result_in_hand_replaces_what_was_said_of_it_while_the_database_was_away(world: World) -> None:
    """Its lease has run out meanwhile, and who saw to it could not know."""
    made = receipt(world, method="POST", is_repeatable=False)
    held = only()
    claims.mark_sent(held)
    lapse(held)
    recovery.recover()
    assert now_of(made).state == State.OUTCOME_UNKNOWN
    assert claims.renew([held.owner]) == {held.owner}, "its call goes on"
    assert not outcomes.finish(Claim(held.receipt, uuid4()), Outcome(State.COMPLETED, REPLY)), (
        "another's does not"
    )
    assert outcomes.finish(held, Outcome(State.COMPLETED, REPLY))
    row = now_of(made)
    assert (row.state, row.status, row.lease_owner) == (State.COMPLETED, 200, None)
    assert contents.reply_of(made.pk) == REPLY
    told = Event.objects.order_by("occurred_at").values_list("data__state", flat=True)
    assert list(told) == ["outcome_unknown", "completed"]
