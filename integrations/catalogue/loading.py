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
from .families import extended
from .provider import Provider

SCHEMA_FILE = Path(__file__).with_name("schema.json")
PROVIDERS_FOLDER = Path(__file__).with_name("providers")
#: the scaffold's mark; not the name of Todoist
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SCOPES_FILE = re.compile(r"[a-z0-9-]+\.scopes\.tsv")
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
    document, findings = _document(path)
    if findings:
        return None, findings
    findings = _schema_findings(path.name, document)
    findings += [Finding(path.name, where, message) for where, message in _wrong_texts(document)]
    if findings:
        return None, findings
    try:
        provider = build(Provider, document)
    except ValueError as error:  # a date such as 2026-02-30
        return None, [Finding(path.name, "$.last_checked", str(error))]
    return provider, [
        Finding(path.name, where, message) for where, message in check_entry(provider, path.stem)
    ]


def _document(path: Path, *, may_extend: bool = True) -> tuple[Any, list[Finding]]:
    """What a file says, together with the file of scopes beside it and the entry that it extends."""
    document, findings = read_entry(path)
    if findings or not isinstance(document, dict):
        return document, findings
    named = document.get("scopes_file")
    # A name of another shape is left to the schema, which refuses it; nothing outside the folder is read.
    if isinstance(named, str) and _SCOPES_FILE.fullmatch(named):
        scopes, findings = read_scopes(path.with_name(named))
        if not findings:
            findings = _schema_findings(named, scopes, _scopes_validator())
        document = {name: value for name, value in document.items() if name != "scopes_file"}
        document["scopes"] = scopes
    if findings or "extends" not in document:
        return document, findings
    if not may_extend:
        return document, [Finding(path.name, "$.extends", "an entry that is extended cannot extend another")]
    return _extended(path, document)


def _extended(path: Path, document: dict[str, Any]) -> tuple[Any, list[Finding]]:
    """Laid over the entry of that id in the same folder, or else of ours."""
    base_id = document["extends"]
    if not isinstance(base_id, str) or not _ID.fullmatch(base_id) or base_id == path.stem:
        return None, [Finding(path.name, "$.extends", "must be the id of another entry")]
    candidates = (path.with_name(f"{base_id}.yaml"), PROVIDERS_FOLDER / f"{base_id}.yaml")
    base_path = next((each for each in candidates if each.is_file()), None)
    if base_path is None:
        return None, [Finding(path.name, "$.extends", f"there is no entry {base_id!r}")]
    base, findings = _document(base_path, may_extend=False)
    if findings or not isinstance(base, dict):
        return None, findings or [Finding(base_path.name, "$", "is no entry")]
    without = document.get("without", [])
    if not isinstance(without, list) or not all(isinstance(each, str) for each in without):
        return None, [Finding(path.name, "$.without", "must be a list of dotted paths")]
    try:
        return extended(base, document), []
    except KeyError as error:
        return None, [Finding(path.name, "$.without", f"{base_id} has no {error.args[0]!r}")]


def _wrong_texts(document: Any) -> Iterator[tuple[str, str]]:
    """What no pattern of the schema finds: drafts, and line ends, which `$` lets pass at the end of a text.

    Only a snippet has lines.
    """
    for where, text in _texts(document):
        if _DRAFT.search(text):
            yield where, "is a draft: TODO"
        if ("\n" in text or "\r" in text) and not where.startswith("$.sdk."):
            yield where, "must be one line"


def _texts(document: Any, path: str = "$") -> Iterator[tuple[str, str]]:
    """Every text of a document, with its place as a JSON path."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _texts(value, f"{path}.{name}")
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from _texts(value, f"{path}[{index}]")
    elif isinstance(document, str):
        yield path, document


def _schema_findings(
    file: str, document: Any, validator: Draft202012Validator | None = None
) -> list[Finding]:
    errors = sorted((validator or _validator()).iter_errors(document), key=lambda error: error.json_path)
    return [Finding(file, error.json_path, error.message) for error in errors]


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@cache
def _scopes_validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    reachable = {name: schema[name] for name in ("$defs", "properties")}
    return Draft202012Validator({"$ref": "#/properties/scopes", **reachable})
