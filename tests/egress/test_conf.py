"""Settings that each call reads are kept, and a change is heeded at once."""

from __future__ import annotations

from typing import Any

import pytest

from egress import conf


def test_a_setting_is_what_it_was_changed_to(settings: Any) -> None:
    for mapping in ({}, {"https://a.example": "http://127.0.0.1:1"}, {}):
        settings.UPSTREAM_MAP = mapping
        assert conf.upstream_map() == mapping
        assert conf.setting("UPSTREAM_MAP") is settings.UPSTREAM_MAP


def test_a_setting_that_is_not_there_is_an_error() -> None:
    with pytest.raises(AttributeError):
        conf.setting("NO_SUCH_SETTING")
