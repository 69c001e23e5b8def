"""When and after how long a call is made again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations import catalogue
from integrations.catalogue import Api, RateLimitHeaders, RateLimitRules, RetryAfterRule
from proxy import retries

NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
HUBSPOT = catalogue.get("hubspot").api


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5),
        ("1.5", 2),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tue, 14 Nov 2023 21:13:20 GMT", 0),
        ("-5", None),
        ("30,120", None),
        ("soon", None),
        ("", None),
        ("999999999", retries.MAX_WAIT_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", retries.MAX_WAIT_SECONDS),
        ("9" * 400, None),
        ("Tue, 99 Nov 2023 22:13:50 GMT", None),
    ],
)
def test_prx_17_retry_after_in_all_its_forms(value: str, seconds: float | None) -> None:
    assert retries.retry_after(value, now=NOW) == seconds


@pytest.mark.parametrize(
    ("value", "unit", "seconds"),
    [("1500", "ms", 2), ("1700000005", "epoch_s", 5), ("1700000005000", "epoch_ms", 5)],
)
def test_prx_17_a_provider_with_other_units(value: str, unit: str, seconds: float) -> None:
    assert retries.retry_after(value, now=NOW, unit=unit) == seconds


def test_the_providers_header_is_read_whatever_its_letter_case() -> None:
    assert retries.wait_seconds(HUBSPOT, [(b"RETRY-after", b"7")], now=NOW) == 7
    assert retries.wait_seconds(HUBSPOT, [(b"X", b"7")], now=NOW) is None


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("GET", [], True),
        ("HEAD", [], True),
        ("PUT", [], True),
        ("DELETE", [], True),
        ("OPTIONS", [], True),
        ("POST", [], False),
        ("PATCH", [], False),
        ("POST", [(b"idempotency-key", b"k")], True),
    ],
)
def test_prx_18_only_what_does_no_harm_twice_is_repeated(
    method: str, fields: list[tuple[bytes, bytes]], expected: bool
) -> None:
    assert retries.may_repeat(method, fields) is expected


def test_temporary_replies() -> None:
    statuses = (200, 202, 301, 400, 401, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504, 524)
    found = [status for status in statuses if retries.is_temporary(HUBSPOT, status, now=NOW)]
    assert found == [408, 425, 429, 502, 503, 504, 524]


def test_backing_off_doubles_and_ends() -> None:
    for tries in range(12):
        assert 0.25 <= retries.backoff(tries) <= 20


ROLLING = [(b"X-HubSpot-RateLimit-Remaining", b"0"), (b"X-HubSpot-RateLimit-Interval-Milliseconds", b"10000")]
DAILY = [(b"X-HubSpot-RateLimit-Daily-Remaining", b"0")]
LEFT = [(b"X-HubSpot-RateLimit-Remaining", b"4"), (b"X-HubSpot-RateLimit-Interval-Milliseconds", b"10000")]


@pytest.mark.parametrize(
    ("fields", "document", "seconds"),
    [
        ([], None, None),
        ([], {"policyName": "SECONDLY"}, 1),
        ([], {"policyName": "TEN_SECONDLY_ROLLING"}, 10),
        ([], {"policyName": "DAILY"}, retries.LASTING),
        ([(b"Retry-After", b"4")], {"policyName": "DAILY"}, retries.LASTING),
        ([(b"Retry-After", b"4")], {"policyName": "SECONDLY"}, 4),
        ([(b"Retry-After", b"soon")], {"policyName": "SECONDLY"}, 1),
        ([], {"policyName": "SOMETHING_NEW"}, None),
        ([], ["policyName"], None),
        (ROLLING, None, 10),
        (DAILY, None, retries.MAX_WAIT_SECONDS),
        (ROLLING + DAILY, None, retries.MAX_WAIT_SECONDS),
        (LEFT, None, None),
        ([(b"X-HubSpot-RateLimit-Remaining", b"none")], None, None),
        ([(b"X-HubSpot-RateLimit-Remaining", b"0")], None, None),
        ([(b"Retry-After", b"2"), *ROLLING], None, 2),
        ([(b"Retry-After", b"2"), (b"Retry-After", b"9")], None, 2),
    ],
)
def test_hubspot_s_words_and_fields_are_waits(
    fields: list[tuple[bytes, bytes]], document: object, seconds: float | None
) -> None:
    """HubSpot-22, HubSpot-23, HubSpot-43: headers and bodies as they come, no call of our own."""
    assert retries.told_wait(HUBSPOT, 429, fields, document, now=NOW) == seconds


def rules(**members: Any) -> Api:
    return Api(base_url="https://a.example", hosts=("a.example",), **members)


@pytest.mark.parametrize(
    ("reset", "unit", "seconds"),
    [
        ("7", "s", 7),
        ("1500", "ms", 2),
        ("1700000005", "epoch_s", 5),
        ("1700000005000", "epoch_ms", 5),
        ("2023-11-14T22:13:25Z", "iso8601", 5),
        ("2023-11-14T23:13:25+01:00", "iso8601", 5),
        ("Tue, 14 Nov 2023 22:13:25 GMT", "iso8601", 5),
        ("0001-01-01T00:00:00+14:00", "iso8601", 0),
        ("tomorrow", "iso8601", 60),
        ("1s", "duration", 1),
        ("1m30s", "duration", 90),
        ("250ms", "duration", 1),
        ("1.5s", "duration", 2),
        ("5", "duration", 5),
        ("m5", "duration", 60),
        ("Tue, 14 Nov 2023 22:13:25 GMT", "http_date", 5),
    ],
)
def test_prx_17_a_window_s_end_in_every_unit(reset: str, unit: Any, seconds: float) -> None:
    """A reset that cannot be read leaves the window's whole length."""
    window = RateLimitHeaders(remaining="Left", reset="Reset", reset_unit=unit, interval_seconds=60)
    api = rules(rate_limit=RateLimitRules(headers=(window,)))
    fields = [(b"left", b"0"), (b"reset", reset.encode())]
    assert retries.told_wait(api, 429, fields, now=NOW) == seconds


def test_a_wait_may_stand_in_the_body_for_some_statuses() -> None:
    api = rules(
        retry_after=(
            RetryAfterRule(source="body", name="error.retry_in_ms", unit="ms", statuses=(429,)),
            RetryAfterRule(),
        )
    )
    document = {"error": {"retry_in_ms": 2500}}
    assert retries.wants_document(api, 429)
    assert not retries.wants_document(api, 503)
    assert retries.told_wait(api, 429, [], document, now=NOW) == 3
    assert retries.told_wait(api, 503, [(b"Retry-After", b"8")], document, now=NOW) == 8


@pytest.mark.parametrize(
    ("provider", "status", "fields", "document", "expected"),
    [
        ("google", 403, [], {"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}, (True, None)),
        ("google", 403, [], {"error": {"errors": [{"reason": "dailyLimitExceeded"}]}}, (True, retries.LASTING)),
        ("google", 403, [], {"error": {"errors": [{"reason": "forbidden"}]}}, (False, None)),
        ("shopify", 200, [], {"errors": [{"extensions": {"code": "THROTTLED"}}]}, (True, 1)),
        ("shopify", 200, [], {"data": {}}, (False, None)),
        ("github", 403, [(b"X-RateLimit-Remaining", b"0"), (b"X-RateLimit-Reset", b"1700000009")], None, (True, 9)),
        ("github", 403, [(b"X-RateLimit-Remaining", b"9"), (b"X-RateLimit-Reset", b"1700000009")], None, (False, None)),
        ("github", 403, [(b"Retry-After", b"60")], None, (True, 60)),
        ("hubspot", 477, [(b"Retry-After", b"30")], None, (True, 30)),
        ("hubspot", 477, [], None, (False, None)),
        ("hubspot", 202, [(b"Retry-After", b"30")], None, (False, None)),
        ("atlassian", 429, [(b"X-RateLimit-Remaining", b"0"), (b"X-RateLimit-Reset", b"2023-11-14T22:14Z")],
         None, (True, 40)),
    ],
)  # fmt: skip
def test_other_providers_say_so_in_their_own_way(
    provider: str, status: int, fields: Any, document: object, expected: tuple[bool, float | None]
) -> None:
    api = catalogue.get(provider).api
    is_temporary = retries.is_temporary(api, status, fields, document, now=NOW)
    assert (is_temporary, retries.told_wait(api, status, fields, document, now=NOW)) == expected
    if document is not None:
        assert retries.wants_document(api, status)


@pytest.mark.parametrize("name", [b"x-http-method-override", b"x-http-method", b"x-method-override"])
def test_a_field_that_names_another_method_counts(name: bytes) -> None:
    assert not retries.may_repeat("GET", [(name, b"POST")])
    assert not retries.may_repeat("POST", [(name, b"GET")])
    assert retries.may_repeat("GET", [(name, b"delete")])
    assert retries.may_repeat("GET", [(name, b"POST"), (b"idempotency-key", b"k")])
