"""What observers are told of a call: once, when its reply is over, with how it ended."""

from __future__ import annotations

from proxy.record import BROKEN_OFF, COMPLETED, Record


def test_a_record_is_told_once_to_every_observer_and_survives_one_that_fails() -> None:
    told: list[str] = []

    def fails(record: Record) -> None:
        raise RuntimeError("observer")

    def tells(record: Record) -> None:
        told.append(record.outcome)

    record = Record("GET")
    record.observers = (fails, tells)
    record.end(BROKEN_OFF)
    record.end(COMPLETED)
    assert told == [BROKEN_OFF]
    assert record.seconds >= 0
    assert record.upstream_seconds is None


def test_what_was_seen_of_the_reply_counts_more_than_how_it_was_closed() -> None:
    record = Record("GET")
    record.outcome = COMPLETED
    record.end("partner_gone")
    assert record.outcome == COMPLETED
