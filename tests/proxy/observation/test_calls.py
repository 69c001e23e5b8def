"""What is counted of a call, and that no caller can make the numbers grow without end."""

from __future__ import annotations

import pytest

from proxy.observation import calls
from proxy.observation.calls import BOUNDS, BUCKET_COUNT, BUCKETS, LENGTH, UPSTREAM_BUCKETS, Calls, Numbers
from proxy.record import BROKEN_OFF, PARTNER_GONE
from tests.proxy.observation.records import finished


def only(counted: Calls) -> tuple[calls.Key, Numbers]:
    ((key, numbers),) = counted.copy().items()
    return key, numbers


def test_a_call_is_counted_under_its_labels_with_its_sizes_and_times() -> None:
    counted = Calls()
    record = finished(
        "POST", seconds=0.3, upstream_seconds=0.2, request_bytes=10, reply_bytes=1_000, retries=2
    )
    record.is_refreshed = True
    counted.observe(record)
    counted.observe(finished("POST", seconds=0.5, upstream_seconds=0.25, reply_bytes=24))
    key, numbers = only(counted)
    assert key == ("hbdev", "hubspot", "passthrough", "POST", "2xx", "completed", "", "provider")
    assert numbers[:5] == [2, 10, 1_024, 2, 1]
    assert numbers[calls.SECONDS] == pytest.approx(0.8)
    assert numbers[calls.UPSTREAM_SECONDS] == pytest.approx(0.45)
    assert len(numbers) == LENGTH


@pytest.mark.parametrize(("seconds", "place"), [(0.0, 0), (0.005, 0), (0.0051, 1), (60.0, 12), (61.0, 13)])
def test_a_duration_falls_into_the_bucket_whose_bound_it_does_not_pass(seconds: float, place: int) -> None:
    counted = Calls()
    record = finished()
    record.began, record.ended = 0.0, seconds
    counted.observe(record)
    buckets = only(counted)[1][BUCKETS:UPSTREAM_BUCKETS]
    assert [index for index, count in enumerate(buckets) if count] == [place]
    assert len(buckets) == BUCKET_COUNT == len(BOUNDS) + 1


def test_a_call_that_no_provider_answered_has_no_upstream_time() -> None:
    counted = Calls()
    counted.observe(finished(upstream_seconds=None, status=504, code="upstream_timeout"))
    key, numbers = only(counted)
    assert key[4:] == ("5xx", "completed", "upstream_timeout", "patchbay")
    assert sum(numbers[UPSTREAM_BUCKETS:]) == numbers[calls.UPSTREAM_SECONDS] == 0
    assert sum(numbers[BUCKETS:UPSTREAM_BUCKETS]) == 1


@pytest.mark.parametrize(
    ("status", "outcome", "code", "labels"),
    [
        (503, "completed", "", ("5xx", "completed", "", "provider")),
        (200, BROKEN_OFF, "", ("2xx", BROKEN_OFF, "", "provider")),
        (0, PARTNER_GONE, "", ("none", PARTNER_GONE, "", "provider")),
        (207, "completed", "", ("2xx", "completed", "", "provider")),
        (
            403,
            "completed",
            "destination_not_allowed",
            ("4xx", "completed", "destination_not_allowed", "patchbay"),
        ),
    ],
)
def test_whose_reply_it_was_and_how_it_ended(
    status: int, outcome: str, code: str, labels: tuple[str, ...]
) -> None:
    counted = Calls()
    counted.observe(finished(status=status, outcome=outcome, code=code))
    assert only(counted)[0][4:] == labels


def test_slugs_that_do_not_exist_are_counted_together() -> None:
    counted = Calls()
    for number in range(1_000):
        record = finished(slug=f"guess-{number}", provider_id="", status=404, code="not_found")
        record.headers_at = 0.0
        counted.observe(record)
    key, numbers = only(counted)
    assert key[:2] == ("", "")
    assert numbers[calls.REQUESTS] == 1_000
    assert len(counted._by_record) == 0


def test_a_refusal_names_the_app_once_the_app_is_known_to_exist() -> None:
    counted = Calls()
    refused = finished(provider_id="", status=429, code="rate_limited", upstream_seconds=None)
    counted.observe(refused)
    counted.know({"hbdev": "hubspot"})
    counted.observe(refused)
    assert [key[:2] for key in counted.copy()] == [("", ""), ("hbdev", "hubspot")]


def test_a_call_makes_its_app_known() -> None:
    counted = Calls()
    counted.observe(finished())
    counted.observe(finished(provider_id="", status=429, code="rate_limited", upstream_seconds=None))
    assert {key[:2] for key in counted.copy()} == {("hbdev", "hubspot")}


def test_methods_that_nobody_knows_are_counted_together() -> None:
    counted = Calls()
    for number in range(100):
        counted.observe(finished(f"VERB{number}", status=405, code="method_not_allowed"))
    key, numbers = only(counted)
    assert (key[3], numbers[calls.REQUESTS]) == ("_OTHER", 100)
    assert len(counted._by_record) == 0


def test_beyond_the_last_bound_calls_are_counted_without_their_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_CELLS", 3)
    counted = Calls()
    for number in range(10):
        counted.observe(finished(slug=f"app-{number}"))
    numbers = {key[0]: cell[calls.REQUESTS] for key, cell in counted.copy().items()}
    assert numbers == {"app-0": 1, "app-1": 1, "app-2": 1, "_OTHER": 7}
    assert len(counted._by_record) == 3
