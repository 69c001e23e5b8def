"""`manage.py catalogue list|validate`."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("catalogue", *arguments, stdout=out)
    return out.getvalue()


def test_the_list_names_every_provider() -> None:
    text = run("list")
    rows = {row["id"]: row for row in json.loads(run("list", "--json"))}
    assert {"hubspot", "pipedrive", "xero", "shopify", "servicenow"} <= set(rows)
    assert all(identifier in text for identifier in rows)
    assert rows["hubspot"]["isSupported"]
    assert rows["hubspot"]["scopes"] == 301


def test_our_own_files_are_valid() -> None:
    assert "all well" in run("validate")


def test_a_wrong_file_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("id: acme\n")
    with pytest.raises(CommandError, match=r"acme\.yaml: \$") as caught:
        run("validate", "--folder", str(tmp_path))
    assert caught.value.returncode == 1


@pytest.mark.parametrize("part", ["diff", "scaffold", "nonsense"])
def test_what_does_not_exist_yet_is_refused(part: str) -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        run(part)
