"""Where a customer may be sent after connecting."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from accounts import origins

ALLOWED = ["https://app.example.com", "http://localhost:3000"]


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/done?a=1#x",
        "https://APP.example.com/done",
        "https://app.example.com:443/done",
        "http://localhost:3000/back",
    ],
)
def test_urls_under_an_allowed_origin_are_taken_as_they_are(url: str) -> None:
    assert origins.check_return_url(url, ALLOWED) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/done",
        "//app.example.com/done",
        "app.example.com",
        "http://app.example.com/",
        "https://app.example.com:8443/",
        "https://app.example.com.evil.example/",
        "https://evil.example/?https://app.example.com",
        "https://app.example.com@evil.example/",
        "https://user@app.example.com/",
        "https://app.example.com\\@evil.example/",
        "https://app.example.com/\nSet-Cookie: a=b",
        "https://app.example.com/ x",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://[::1",
        "https://app.example.com:99999/",
        "http://localhost:3001/",
        "https://app.example.com/" + "a" * 2_048,
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(origins.ReturnUrlRefused):
        origins.check_return_url(url, ALLOWED)


@pytest.mark.parametrize(
    "value",
    [
        "https://a.example",
        ["https://a.example/"],
        ["https://A.example"],
        ["a.example"],
        [7],
        ["http://a.example"],
    ],
)
def test_the_list_of_origins_is_checked_when_staff_enter_it(value: object) -> None:
    with pytest.raises(ValidationError):
        origins.validate_origins(value)


def test_a_list_of_origins_is_fine() -> None:
    origins.validate_origins(ALLOWED)
