"""When and after how long a call is made again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations import catalogue
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
    assert [s for s in (200, 400, 401, 404, 429, 500, 502, 503, 504) if retries.is_temporary(HUBSPOT, s)] == [
        429, 502, 503, 504,
    ]  # fmt: skip


def test_backing_off_doubles_and_ends() -> None:
    for tries in range(12):
        assert 0.25 <= retries.backoff(tries) <= 20
