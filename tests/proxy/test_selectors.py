"""Passthrough paths: cut at the first two slashes, decoded once."""

from __future__ import annotations

from uuid import UUID

import pytest

from accounts.api.problems import Problem
from integrations.errors import InvalidInput
from proxy.selectors import PassthroughPath, Selector

UUID_TEXT = "9f0c2f0e-6c1e-4c53-9a2f-0d5a8a0a6c11"


def selector_of(raw_path: bytes, connection: bytes | None = None, name: bytes | None = None) -> Selector:
    return PassthroughPath.of(raw_path).selector(connection=connection, name=name)


@pytest.mark.parametrize(
    ("raw_path", "identifier", "rest"),
    [
        (b"/proxy/hbdev/cust/crm/v3", "cust", "/crm/v3"),
        (b"/proxy/hbdev/cust", "cust", ""),
        (b"/proxy/hbdev/cust/", "cust", "/"),
        (b"/proxy/hbdev/cust//x", "cust", "//x"),
        (b"/proxy/hbdev/a%2Fb%20c/x", "a/b c", "/x"),
        (b"/proxy/hbdev/a%252Fb/x", "a%2Fb", "/x"),
        (b"/proxy/hbdev/%F0%9F%A6%8A/x", "🦊", "/x"),
        (b"/proxy/hbdev/100%/x", "100%", "/x"),
        (b"/proxy/hbdev/a+b/%2F?", "a+b", "/%2F?"),
        (b"/proxy/hbdev//x", "", "/x"),
        (b"/proxy/hbdev/%2e%2e/x", "..", "/x"),
    ],
)
def test_the_identifier_is_decoded_once_and_the_rest_not_at_all(
    raw_path: bytes, identifier: str, rest: str
) -> None:
    assert PassthroughPath.of(raw_path).rest == rest
    assert selector_of(raw_path) == Selector("hbdev", identifier, None, None)


def test_an_identifier_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        selector_of(b"/proxy/hbdev/%ff%fe/x")
    assert caught.value.members == {"field": "userForeignIdentifier"}


@pytest.mark.parametrize("door", [b"~", b"%7E", b"%7e"])
def test_the_second_door_takes_the_connection_from_the_header(door: bytes) -> None:
    raw_path = b"/proxy/hbdev/" + door + b"/crm"
    assert selector_of(raw_path, UUID_TEXT.encode()) == Selector("hbdev", None, UUID(UUID_TEXT), None)
    with pytest.raises(Problem) as caught:
        selector_of(raw_path)
    assert caught.value.members == {"field": "Patchbay-Connection"}


def test_a_connection_that_is_no_uuid_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput) as caught:
        selector_of(b"/proxy/hbdev/~/crm", b"17")
    assert caught.value.field == "Patchbay-Connection"


def test_a_connection_name_may_be_any_text() -> None:
    assert selector_of(b"/proxy/hbdev/cust/x", None, "Büro".encode()).name == "Büro"
    with pytest.raises(Problem):
        selector_of(b"/proxy/hbdev/cust/x", None, b"\xff")


@pytest.mark.parametrize(
    "raw_path", [b"/%70roxy/hbdev/cust/x", b"/proxy%2Fhbdev/cust/x", b"//proxy/hbdev/cust/x"]
)
def test_a_path_that_is_the_proxys_only_when_decoded_is_not_cut(raw_path: bytes) -> None:
    with pytest.raises(Problem) as caught:
        PassthroughPath.of(raw_path)
    assert caught.value.code == "not_found"
