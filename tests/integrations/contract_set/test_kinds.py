"""The set on entries of the kinds without consent, made up here: what can be looked at is, and mistakes are noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integrations.catalogue import Provider, load
from tests.integrations.catalogue.entry import write_entry
from tests.integrations.catalogue.test_kinds import KEY, entry_of
from tests.integrations.contract_set.checks import CHECKS
from tests.integrations.contract_set.judging import Judge
from tests.integrations.contract_set.mutants import mutants
from tests.integrations.contract_set.replies import Replies, findings_in
from tests.integrations.contract_set.stage import Stage
from tests.integrations.providers.draft import Draft

SIMPLE: tuple[tuple[tuple[str | int, ...], Any], ...] = (
    (("connection_fields",), []),
    (("api", "base_url"), "https://api.acme.example/v1"),
    (("api", "hosts"), ["api.acme.example"]),
    (
        ("identity",),
        [{"url": "https://api.acme.example/v1/me", "auth": "api", "account_id": "id", "name": "name"}],
    ),
)
PLACEMENTS: dict[str, tuple[str, list[Any], dict[str, str]]] = {
    "a key in a header": (
        "api_key",
        [KEY],
        {"kind": "header", "name": "X-Key", "prefix": "key "},
    ),
    "a key as a bearer token": ("api_key", [KEY], {"kind": "bearer"}),
}


def entry(folder: Path, name: str) -> Provider:
    kind, secrets, credential = PLACEMENTS[name]
    changes = [*SIMPLE, (("connection_secrets",), secrets), (("api", "credential"), credential)]
    write_entry(folder, entry_of(kind, *changes))
    return load(folder)["acme"]


@pytest.mark.parametrize("name", PLACEMENTS)
def test_an_entry_without_consent_is_held_to_its_replies(stage: Stage, tmp_path: Path, name: str) -> None:
    provider = entry(tmp_path, name)
    document = Draft(provider).document()
    assert findings_in(document) == []
    with stage.serving(provider):
        judge = Judge(stage, provider, Replies(provider.id, document))
        judge.check_the_entry()
        unnoticed = [str(mutant) for mutant in mutants(provider) if judge.noticed_by(mutant) is None]
    assert not unnoticed, "\n".join(unnoticed)


def test_checks_of_a_consent_are_not_for_other_kinds() -> None:
    assert {name for name, check in CHECKS.items() if "api_key" in check.kinds} == {
        "identity", "hosts", "closed", "placement", "expired", "limits",
    }  # fmt: skip
