from __future__ import annotations

import pytest

from accounts.api.problems import Problem
from proxy.controls import Controls, read


def test_without_fields_nothing_is_asked() -> None:
    assert read({}) == Controls()


def test_every_field_is_read() -> None:
    asked = read(
        {
            b"patchbay-connection": b"u",
            b"patchbay-connection-name": b"n",
            b"patchbay-host": b"api.hsforms.com",
            b"patchbay-retries": b"10",
            b"patchbay-timeout": b"1.5",
            b"patchbay-later": b"x",
        }
    )
    assert asked == Controls(b"u", b"n", "api.hsforms.com", 10, 1.5)


@pytest.mark.parametrize("value", [b"11", b"-1", b"1.0", b"", b"x", b"1 0", "٣".encode()])
def test_retries_are_a_whole_number_up_to_ten(value: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read({b"patchbay-retries": value})
    assert caught.value.members == {"field": "Patchbay-Retries"}


def test_white_space_round_a_value_is_none_of_it() -> None:
    asked = {b"patchbay-host": b"api.hsforms.com \t", b"patchbay-retries": b" 1 ", b"patchbay-timeout": b"5 "}
    assert read(asked) == Controls(host="api.hsforms.com", retries=1, timeout_seconds=5)


@pytest.mark.parametrize("value", [b"0", b"120.1", b"-1", b"", b"inf", b"nan", b"1e1", b"0.0"])
def test_a_timeout_is_above_zero_and_at_most_two_minutes(value: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read({b"patchbay-timeout": value})
    assert caught.value.members == {"field": "Patchbay-Timeout"}
    assert read({b"patchbay-timeout": b"120"}).timeout_seconds == 120
