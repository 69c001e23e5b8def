"""Dotted paths into JSON."""

from __future__ import annotations

import pytest

from integrations.catalogue import as_text, lookup

DOCUMENT = {"a": {"b": [{"c": 1}, {"c": None}]}, "ok": False, "list": [], "0": "zero"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b.0.c", 1),
        ("a.b.1.c", None),
        ("a.b.2.c", None),
        ("a.b.-1.c", None),
        ("a.b.c", None),
        ("ok", False),
        ("ok.x", None),
        ("0", "zero"),
        ("list.0", None),
        ("missing.0.x", None),
        ("$", DOCUMENT),
    ],
)
def test_a_path_leads_to_its_value_or_to_none(path: str, value: object) -> None:
    assert lookup(DOCUMENT, path) == value


@pytest.mark.parametrize("document", [None, 1, "text", [], [1]])
def test_documents_of_any_kind_are_looked_into(document: object) -> None:
    assert lookup(document, "a.b") is None


@pytest.mark.parametrize(
    ("value", "text"), [(False, "false"), (True, "true"), (602, "602"), (None, "null"), ("false", "false")]
)
def test_values_are_compared_as_json_text(value: object, text: str) -> None:
    assert as_text(value) == text
