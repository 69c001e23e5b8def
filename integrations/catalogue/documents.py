"""Reading an entry's file: YAML as JSON data, with the places where the file says what."""

from __future__ import annotations

import csv
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from .errors import Finding

SCOPE_COLUMNS = ("name", "meaning", "group", "tier", "kind", "paid")


class DuplicateKey(yaml.constructor.ConstructorError):
    """The same key twice in one mapping: one of the two would be lost silently."""


class _JsonLoader(yaml.SafeLoader):
    """YAML restricted to JSON's types: `no`, `on`, `012`, `1:30` and dates stay text, keys are unique."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise DuplicateKey(None, None, "a key must be text; put it into quotes", key_node.start_mark)
            if key in seen:
                raise DuplicateKey(None, None, f"the key {key!r} is here twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_RESOLVERS = {
    "bool": (r"^(?:true|false)$", "tf"),
    "int": (r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    "float": (r"^-?(?:0|[1-9][0-9]*)\.[0-9]+$", "-0123456789"),
    "null": (r"^(?:null|~|)$", ["n", "~", ""]),
}
for _name, (_pattern, _first) in _RESOLVERS.items():
    _JsonLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(_pattern), list(_first))


def read_text(text: str) -> Any:
    """A YAML text as JSON data. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_JsonLoader)  # noqa: S506 - a safe loader


def read_entry(path: Path) -> tuple[Any, list[Finding]]:
    """The file's document (None when it cannot be read), and what is wrong with it as YAML."""
    try:
        return read_text(path.read_text(encoding="utf-8")), []
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return None, [Finding(path.name, "$", f"not valid YAML{where}: {error.problem}")]
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        return None, [Finding(path.name, "$", f"cannot be read: {type(error).__name__}")]


def read_scopes(path: Path) -> tuple[list[dict[str, Any]], list[Finding]]:
    """The scopes of a tab-separated file, in the shape that the entry's `scopes` has."""
    try:
        rows = list(
            csv.reader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
        )
    except (UnicodeDecodeError, OSError) as error:
        return [], [Finding(path.name, "$", f"cannot be read: {type(error).__name__}")]
    rows = [row for row in rows if row and not row[0].startswith("#")]
    if not rows or tuple(rows[0]) != SCOPE_COLUMNS:
        return [], [Finding(path.name, "$", f"the first line must be the columns {', '.join(SCOPE_COLUMNS)}")]
    scopes: list[dict[str, Any]] = []
    for number, row in enumerate(rows[1:]):
        if len(row) != len(SCOPE_COLUMNS) or row[-1] not in ("yes", "no"):
            message = f"needs {len(SCOPE_COLUMNS)} columns, the last one yes or no"
            return [], [Finding(path.name, f"$[{number}]", message)]
        scope: dict[str, Any] = dict(zip(SCOPE_COLUMNS, row, strict=True))
        scopes.append(scope | {"paid": row[-1] == "yes"})
    return scopes, []
