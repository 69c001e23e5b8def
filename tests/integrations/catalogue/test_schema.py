"""schema.json and the dataclasses say the same."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from integrations.catalogue import api_settings, oauth_settings, provider
from integrations.catalogue.loading import SCHEMA_FILE

SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def _schema_name(cls: type) -> str:
    return "oauth" if cls.__name__ == "OAuth" else re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


CLASSES = [
    value
    for module in (provider, oauth_settings, api_settings)
    for value in vars(module).values()
    if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__ == module.__name__
]
DESCRIBED = [cls for cls in CLASSES if cls not in (provider.Provider, oauth_settings.Capture)]


@pytest.mark.parametrize("cls", DESCRIBED, ids=lambda cls: cls.__name__)
def test_a_part_has_the_members_of_its_dataclass(cls: type) -> None:
    _agree(SCHEMA["$defs"][_schema_name(cls)], cls, extra=set())


def test_the_entry_has_the_members_of_its_dataclass() -> None:
    _agree(SCHEMA, provider.Provider, extra={"scopes_file", "extends", "without"})


def _agree(schema: dict[str, Any], cls: type, *, extra: set[str]) -> None:
    fields = dataclasses.fields(cls)
    required = {f.name for f in fields if f.default is dataclasses.MISSING}
    assert set(schema["properties"]) == {f.name for f in fields} | extra
    assert set(schema["required"]) == required
    assert schema["additionalProperties"] is False


def test_every_object_is_closed_and_every_member_described() -> None:
    for name, part in {"entry": SCHEMA, **SCHEMA["$defs"]}.items():
        assert part.get("description"), name
        for member, schema in part.get("properties", {}).items():
            assert schema.get("description"), f"{name}.{member}"


def test_every_definition_is_used() -> None:
    text = json.dumps(SCHEMA)
    for name in SCHEMA["$defs"]:
        assert f'"#/$defs/{name}"' in text, name
