"""From a folder of files to entries: read, check against schema.json, build, check the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from .building import build
from .checks import check_entry
from .documents import read_entry, read_scopes
from .errors import CatalogueError, Finding
from .provider import Provider

SCHEMA_FILE = Path(__file__).with_name("schema.json")
PROVIDERS_FOLDER = Path(__file__).with_name("providers")
#: the scaffold's mark; not the name of Todoist
_DRAFT = re.compile(r"\bTODO\b|^todo$")


def load(folder: Path) -> dict[str, Provider]:
    """The entries of a folder by id, in the order of their ids.

    Raises CatalogueError with every finding when one of the files is wrong.
    """
    providers, findings = _read(folder)
    if findings:
        raise CatalogueError(findings)
    return providers


def validate(folder: Path) -> list[Finding]:
    """Everything that is wrong with the files of a folder; empty when they can be served."""
    return _read(folder)[1]


def _read(folder: Path) -> tuple[dict[str, Provider], list[Finding]]:
    if not folder.is_dir():
        return {}, [Finding(str(folder), "$", "is not a folder")]
    providers, findings = {}, []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".yml":
            findings.append(Finding(path.name, "$", "an entry's file ends with .yaml"))
        if path.suffix != ".yaml":
            continue
        provider, found = _read_entry(path)
        findings.extend(found)
        if provider is not None and not found:
            providers[provider.id] = provider
    return providers, findings


def _read_entry(path: Path) -> tuple[Provider | None, list[Finding]]:
    document, findings = read_entry(path)
    if findings:
        return None, findings
    findings = _schema_findings(path.name, document)
    findings += [Finding(path.name, where, "is a draft: TODO") for where in _unfinished(document)]
    if findings:
        return None, findings
    scopes_file = document.pop("scopes_file", None)
    if scopes_file is not None:
        document["scopes"], findings = read_scopes(path.with_name(scopes_file))
        findings = findings or _schema_findings(scopes_file, document)
    if findings:
        return None, findings
    try:
        provider = build(Provider, document)
    except ValueError as error:  # a date such as 2026-02-30
        return None, [Finding(path.name, "$.last_checked", str(error))]
    return provider, [
        Finding(path.name, where, message) for where, message in check_entry(provider, path.stem)
    ]


def _unfinished(document: Any, path: str = "$") -> Iterator[str]:
    """The places of a draft that nobody has filled in."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _unfinished(value, f"{path}.{name}")
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from _unfinished(value, f"{path}[{index}]")
    elif isinstance(document, str) and _DRAFT.search(document):
        yield path


def _schema_findings(file: str, document: Any) -> list[Finding]:
    errors = sorted(_validator().iter_errors(document), key=lambda error: error.json_path)
    return [Finding(file, error.json_path, error.message) for error in errors]


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
