"""Entries of every way of connecting, and the facts that each must account for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integrations.catalogue import load, validate
from tests.integrations.catalogue.entry import DELETED, changed, write_entry

KEY = {
    "name": "api_key",
    "title": "API key",
    "description": "Made on the page named API.",
    "example": "ak-1",
    "pattern": "ak-[0-9]+",
    "console_location": "Settings > API",
}
USER = {**KEY, "name": "username", "title": "User name", "is_secret": False}
PASSWORD = {**KEY, "name": "password", "title": "Password"}
ENDPOINTS = {
    "request_token_endpoint": "https://acme.example/request",
    "authorization_endpoint": "https://acme.example/authorize",
    "access_token_endpoint": "https://acme.example/access",
}
WITHOUT_OAUTH: tuple[tuple[tuple[str | int, ...], Any], ...] = (
    (("oauth",), DELETED),
    (("revocation",), DELETED),
    (("api", "hosts"), ["api.acme.example", "{sub}.shop.example"]),
    (("facts_unknown",), []),
)


def entry_of(kind: str, *changes: tuple[tuple[str | int, ...], Any]) -> dict[str, Any]:
    return changed((("auth_kind",), kind), *WITHOUT_OAUTH, *changes)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("api_key", [(("connection_secrets",), [KEY])]),
        ("basic", [(("connection_secrets",), [USER, PASSWORD]), (("api", "credential"), {"kind": "basic"})]),
        (
            "oauth1",
            [
                (("oauth1",), ENDPOINTS),
                (("api", "credential"), {"kind": "oauth1"}),
                (("facts_unknown",), ["access_token_lifetime", "revocation"]),
            ],
        ),
    ],
    ids=["api_key", "basic", "oauth1"],
)
def test_an_entry_of_each_kind_can_be_loaded(tmp_path: Path, kind: str, changes: list[Any]) -> None:
    write_entry(tmp_path, entry_of(kind, *changes))
    assert validate(tmp_path) == []
    provider = load(tmp_path)["acme"]
    assert provider.auth_kind == kind
    assert provider.oauth.renews_with == "nothing", "there is no OAuth 2.0 in it"


@pytest.mark.parametrize(
    ("kind", "changes", "path"),
    [
        ("api_key", [], "$"),
        ("api_key", [(("connection_secrets",), [USER])], "$.connection_secrets"),
        (
            "api_key",
            [(("connection_secrets",), [{**KEY, "example": "no"}])],
            "$.connection_secrets[0].example",
        ),
        (
            "api_key",
            [(("connection_secrets",), [KEY]), (("secret_template",), "{api_key}:{site}")],
            "$.secret_template",
        ),
        ("basic", [(("connection_secrets",), [USER])], "$.connection_secrets"),
        ("api_key", [(("connection_secrets",), [KEY]), (("identity", 0, "is_optional"), True)], "$.identity"),
        ("oauth1", [(("facts_unknown",), ["access_token_lifetime", "revocation"])], "$"),
        (
            "oauth1",
            [(("oauth1",), ENDPOINTS), (("facts_unknown",), ["access_token_lifetime", "revocation"])],
            "$.api.credential.kind",
        ),
    ],
    ids=[
        "no secrets",
        "no key",
        "example",
        "template",
        "no password",
        "tried by nothing",
        "no endpoints",
        "not signed",
    ],
)
def test_what_a_kind_needs_is_asked_for(tmp_path: Path, kind: str, changes: list[Any], path: str) -> None:
    write_entry(tmp_path, entry_of(kind, *changes))
    assert [finding.path for finding in validate(tmp_path)] == [path]


@pytest.mark.parametrize(
    ("unknown", "absent"),
    [
        (["access_token_lifetime", "refresh_token_lifetime"], ["rate_limit", "webhooks"]),
        (
            ["access_token_lifetime", "refresh_token_lifetime", "rotation", "identity"],
            ["rate_limit", "webhooks"],
        ),
        (
            ["access_token_lifetime", "refresh_token_lifetime", "rotation"],
            ["rate_limit", "webhooks", "rotation"],
        ),
    ],
    ids=["told nowhere", "filled and unknown", "unknown and absent"],
)
def test_each_fact_is_filled_or_unknown_or_absent(
    tmp_path: Path, unknown: list[str], absent: list[str]
) -> None:
    write_entry(tmp_path, changed((("facts_unknown",), unknown), (("facts_absent",), absent)))
    assert [finding.path for finding in validate(tmp_path)] == ["$.facts_unknown"]


def test_a_fact_of_another_kind_cannot_be_unknown(tmp_path: Path) -> None:
    document = entry_of("api_key", (("connection_secrets",), [KEY]), (("facts_unknown",), ["rotation"]))
    write_entry(tmp_path, document)
    (finding,) = validate(tmp_path)
    assert "no fact of an entry of kind api_key" in finding.message
