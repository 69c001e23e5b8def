"""An entry that extends another says only what is different about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from integrations.catalogue import PROVIDERS_FOLDER, load, validate

from .entry import changed, write_entry


def write(folder: Path, **own: Any) -> Path:
    path = folder / f"{own['id']}.yaml"
    path.write_text(yaml.safe_dump({"extends": "acme", **own}), encoding="utf-8")
    return path


def test_what_is_not_said_is_that_of_the_other(tmp_path: Path) -> None:
    write_entry(tmp_path, changed((("stackgo_name",), "acme")))
    write(
        tmp_path,
        id="acme-eu",
        display_name="Acme Europe",
        oauth={"pkce": "required", "scope": {"mandatory": []}},
        api={"hosts": ["api.acme.example"]},
        without=["identity", "revocation"],
        facts_unknown=[
            "access_token_lifetime",
            "refresh_token_lifetime",
            "rotation",
            "identity",
            "revocation",
        ],
    )
    loaded = load(tmp_path)
    base, member = loaded["acme"], loaded["acme-eu"]
    assert (member.id, member.display_name, member.stackgo_name) == ("acme-eu", "Acme Europe", None)
    assert member.oauth.token_endpoint == base.oauth.token_endpoint
    assert (base.oauth.pkce, member.oauth.pkce) == ("optional", "required")
    assert member.oauth.scope.mandatory == (), "a list is replaced, not added to"
    assert (member.identity, member.revocation) == ((), None)
    assert member.scopes == base.scopes


def test_an_operator_s_entry_may_extend_one_of_ours(tmp_path: Path) -> None:
    write(tmp_path, id="hubspot-own", display_name="Our HubSpot", extends="hubspot")
    ours, own = load(PROVIDERS_FOLDER)["hubspot"], load(tmp_path)["hubspot-own"]
    assert own.scopes == ours.scopes, "the file of scopes lies beside the entry that names it"
    assert own.api == ours.api


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"extends": "nobody"}, "there is no entry 'nobody'"),
        ({"extends": "acme-eu"}, "must be the id of another entry"),
        ({"extends": "../acme"}, "must be the id of another entry"),
        ({"extends": 7}, "must be the id of another entry"),
        ({"without": ["oauth.nothing"]}, "acme has no 'oauth.nothing'"),
        ({"without": ["id.more"]}, "acme has no 'id.more'"),
        ({"without": "identity"}, "must be a list of dotted paths"),
        ({"colour": "red"}, "Additional properties are not allowed"),
        ({}, "'display_name' is a required property"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_member_that_cannot_be_made_is_told(tmp_path: Path, own: dict[str, Any], message: str) -> None:
    write_entry(tmp_path, changed())
    named = {} if not own else {"display_name": "Acme Europe"}
    write(tmp_path, **{"id": "acme-eu", **named, **own})
    findings = [finding for finding in validate(tmp_path) if finding.file == "acme-eu.yaml"]
    assert any(message in finding.message for finding in findings), findings


def test_families_are_one_generation_deep(tmp_path: Path) -> None:
    write_entry(tmp_path, changed())
    write(tmp_path, id="child", display_name="Child")
    write(tmp_path, id="grandchild", display_name="Grandchild", extends="child")
    (finding,) = validate(tmp_path)
    assert (finding.file, finding.path) == ("child.yaml", "$.extends")
