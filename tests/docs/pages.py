"""The project's Markdown pages, taken apart: links, code, sections, tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.suite import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "sandbox" / "README.md",
        ROOT / "integrations" / "catalogue" / "README.md",
    ]
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of code."""

    language: str
    text: str


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str) -> list[Block]:
    return [Block(*match.groups()) for match in _FENCE.finditer(text)]


def code(text: str) -> list[str]:
    """Every fenced block and every span of code."""
    return [block.text for block in blocks(text)] + _SPAN.findall(_FENCE.sub("", text))


def relative_links(text: str) -> list[str]:
    return [target for target in _LINK.findall(_FENCE.sub("", text)) if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """What headings can be linked to by, as the usual renderers make it."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(text: str, heading: str) -> str:
    """The text under a heading of the second level. Raises AssertionError when there is none."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert heading in found, f"no section {heading!r} among {sorted(found)}"
    return found[heading]


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows, heads left in."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
