"""Header sections as they are written."""

from __future__ import annotations

from egress import wire
from egress.urls import parse_url

TARGET = parse_url("https://api.hubapi.com/crm")


def test_names_that_callers_make_up_are_not_kept_when_they_are_long() -> None:
    before = wire._usual_prefix.cache_info().currsize
    for number in range(50):
        long = b"x-" + b"%06d" % number * 20
        head = wire.request_head("GET", TARGET, [(long, b"1")], framing=b"")
        assert b"\r\n" + long + b": 1\r\n" in head
    assert wire._usual_prefix.cache_info().currsize == before
