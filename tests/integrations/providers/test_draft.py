"""A draft of a file of replies can be made of any entry, and the loader takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from integrations import catalogue
from integrations.catalogue import Provider, load
from integrations.catalogue.documents import read_entry
from tests.integrations.catalogue.entry import write_entry
from tests.integrations.catalogue.test_kinds import ENDPOINTS, KEY, PASSWORD, USER, entry_of
from tests.integrations.contract_set.replies import findings_in
from tests.integrations.providers.draft import Draft, as_yaml

PROVIDERS = catalogue.all_providers()


@pytest.mark.parametrize("provider", PROVIDERS, ids=[provider.id for provider in PROVIDERS])
def test_every_entry_can_be_drafted(provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "replies.yaml"
    path.write_text(as_yaml(provider), encoding="utf-8")
    document, unreadable = read_entry(path)
    assert unreadable == []
    assert findings_in(document) == []
    assert document == Draft(provider).document()
    assert not document["reviewed"]


@pytest.mark.parametrize(
    ("kind", "changes", "sends"),
    [
        (
            "api_key",
            [
                (("connection_secrets",), [KEY]),
                (("api", "credential"), {"kind": "header", "name": "X-Key", "prefix": "key "}),
            ],
            {"header": "X-Key", "value": "key ak-1"},
        ),
        (
            "api_key",
            [(("connection_secrets",), [KEY]), (("api", "credential"), {"kind": "query", "name": "key"})],
            {"query": "key", "value": "ak-1"},
        ),
        (
            "basic",
            [
                (("connection_secrets",), [USER, PASSWORD]),
                (("api", "credential"), {"kind": "basic", "suffix": ""}),
            ],
            {"header": "Authorization", "basic": "ak-1:ak-1"},
        ),
        (
            "oauth1",
            [
                (("oauth1",), ENDPOINTS),
                (("api", "credential"), {"kind": "oauth1"}),
                (("facts_unknown",), ["access_token_lifetime", "revocation"]),
            ],
            {"oauth1": True},
        ),
    ],
    ids=["a key in a header", "a key in the query", "a password", "oauth1"],
)
def test_kinds_without_consent_can_be_drafted_too(
    tmp_path: Path, kind: str, changes: list[Any], sends: dict[str, Any]
) -> None:
    write_entry(tmp_path, entry_of(kind, *changes))
    document = Draft(load(tmp_path)["acme"]).document()
    assert findings_in(document) == []
    assert document["api"]["sends"] == sends
    assert "token" not in document
    assert yaml.safe_dump(document)
