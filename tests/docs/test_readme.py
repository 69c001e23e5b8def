"""README.md and docs/ against the project: what they name must be there, and what is there must be named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from accounts.api.problems import CODES
from demo import environment
from tests.docs import pages
from tests.suite import ROOT

README = pages.read(ROOT / "README.md")
_READERS = (
    "config/settings.py",
    "config/environment.py",
    "demo/__main__.py",
    "demo/environment.py",
    "integrations/management/commands/seed_demo.py",
    "sandbox/__main__.py",
    "tests/suite.py",
)
_NAME = re.compile(r"[A-Z][A-Z0-9_]+")
_MAKE = re.compile(r"^(?:[A-Z_]+=\S+ )*make (?:[A-Z_]+=\S+ )*([a-z][a-z-]*)", re.MULTILINE)
_MANAGE = re.compile(r"manage\.py ([a-z_]+)")
_PACKAGES = {
    "Django": "django",
    "Django REST framework": "djangorestframework",
    "drf-spectacular": "drf-spectacular",
    "oauthlib": "oauthlib",
    "requests-oauthlib": "requests-oauthlib",
    "uvicorn": "uvicorn",
    "aiohttp": "aiohttp",
    "Celery": "celery",
    "django-celery-beat": "django-celery-beat",
    "djfernet-redux": "djfernet-redux",
    "cryptography": "cryptography",
    "django-environ": "django-environ",
    "psycopg": "psycopg",
}


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in pages.relative_links(pages.read(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{pages.name(page)} links to {link}"
        if anchor:
            assert anchor in pages.anchors(pages.read(target)), f"{pages.name(page)} links to {link}"


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    reached = set(pages.relative_links(README))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= reached
    assert "docs/images/flow.svg" in reached


def test_every_make_target_that_is_named_exists() -> None:
    makefile = pages.read(ROOT / "Makefile")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    named = {
        target
        for page in pages.PAGES
        for text in pages.code(pages.read(page))
        for target in _MAKE.findall(text)
    }
    assert {"run", "test", "check"} <= named <= set(phony[1].split())


def test_every_management_command_that_is_named_exists() -> None:
    named = {
        command
        for page in pages.PAGES
        for text in pages.code(pages.read(page))
        for command in _MANAGE.findall(text)
    }
    assert {"migrate", "createsuperuser", "rotate_keys"} <= named <= set(get_commands())


def test_the_table_of_variables_holds_those_that_are_read_and_no_others() -> None:
    assert set(_table()) == _variables()


def test_the_defaults_in_the_table_are_those_of_the_settings() -> None:
    told = {name: default for name, default in _readings(ROOT / "config" / "settings.py") if default}
    assert {"PATCHBAY_ENV", "LOG_LEVEL", "DATABASE_POOL_SIZE", "CELERY_BROKER_URL"} <= set(told)
    assert {name: _table()[name] for name in told} == {name: f"`{default}`" for name, default in told.items()}


def test_the_versions_in_the_readme_are_the_locked_ones() -> None:
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", pages.read(ROOT / "requirements.txt"), re.MULTILINE))
    table = pages.section(README, "Building blocks")
    for words, package in _PACKAGES.items():
        told = re.search(rf"{re.escape(words)} (\d+(?:\.\d+)?)\b", table)
        assert told is not None, f"{words} is not in the table"
        assert f"{locked[package]}.".startswith(f"{told[1]}."), f"{words}: {told[1]} is not {locked[package]}"


def test_the_table_of_error_codes_is_that_of_the_api() -> None:
    table = pages.section(pages.read(ROOT / "docs" / "api.md"), "Errors")
    told = {cells[0].strip("`"): int(cells[1]) for cells in pages.rows(table) if cells[1].isdigit()}
    assert told == {code: status for code, (status, _) in CODES.items()}


def _table() -> dict[str, str]:
    """Name -> default, of both tables under Settings."""
    cells = [row for row in pages.rows(pages.section(README, "Settings")) if row[0].startswith("`")]
    names = [row[0].strip("`") for row in cells]
    assert len(names) == len(set(names)), "a variable is there twice"
    return {name: row[1] for name, row in zip(names, cells, strict=True)}


def _variables() -> set[str]:
    """What the project reads from its environment, and what `make run` writes for it."""
    read = {name for path in _READERS for name, _ in _readings(ROOT / path)}
    read |= set(environment._of_ports("", "")) | set(environment._secrets())
    return read


def _readings(path: Path) -> Iterator[tuple[str, str]]:
    """(name, default of env.str or env.int where it is a plain value) of each reading in a module."""
    for node in ast.walk(ast.parse(pages.read(path))):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            name, default = node.slice, ""
        elif isinstance(node, ast.Call) and node.args and _is_reading(ast.unparse(node.func)):
            name, default = node.args[0], _default(node)
        else:
            continue
        if isinstance(name, ast.Constant) and _NAME.fullmatch(str(name.value)):
            yield str(name.value), default


def _is_reading(function: str) -> bool:
    return function.startswith("env.") or function in {"os.environ.get", "os.getenv"}


def _default(call: ast.Call) -> str:
    if ast.unparse(call.func) not in {"env.str", "env.int"}:
        return ""
    values = [keyword.value for keyword in call.keywords if keyword.arg == "default"]
    return str(values[0].value) if values and isinstance(values[0], ast.Constant) else ""
