"""The code of docs/sdks.md, so that the tests run what the page says."""

from __future__ import annotations

from typing import Any

from tests.docs import pages
from tests.suite import ROOT

TEXT = pages.read(ROOT / "docs" / "sdks.md")


def block(package: str) -> pages.Block:
    """The one block of code in an SDK's section."""
    (found,) = pages.blocks(pages.section(TEXT, package))
    return found


def run(package: str, *, proxy_url: str, key: str) -> dict[str, Any]:
    """Run an SDK's Python block as it stands; returns the names that it made."""
    names: dict[str, Any] = {"__name__": "partner", "PROXY_URL": proxy_url, "KEY": key}
    exec(compile(block(package).text, f"docs/sdks.md: {package}", "exec"), names)
    return names
