"""HubSpot's JavaScript client, unchanged, in a node process of its own, through the passthrough to the sandbox."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.sdks import installed, page
from tests.sdks.conftest import Partner, limit_once

pytestmark = [pytest.mark.served, pytest.mark.slow]


class Program:
    """A partner's program: the page's lines, and a story that uses them."""

    def __init__(self, partner: Partner, folder: Path) -> None:
        self.partner = partner
        self._folder = folder
        (folder / "node_modules").symlink_to(installed.node_modules())
        lines = page.block("@hubspot/api-client").text
        (folder / "sdk.mjs").write_text(
            f"const {{ PROXY_URL, KEY }} = process.env;\n{lines}\nexport {{ client }};\n"
        )
        shutil.copy(installed.HERE / "node" / "story.mjs", folder)

    def tell(self, story: str) -> Any:
        output = installed.run(
            ["node", "story.mjs", story],
            environment={"PROXY_URL": self.partner.proxy_url, "KEY": self.partner.key},
            folder=self._folder,
        )
        return json.loads(output)


@pytest.fixture
def program(at_hubspot: Partner, tmp_path: Path) -> Program:
    return Program(at_hubspot, tmp_path)


def test_hubspots_javascript_client_reads_writes_pages_uploads_and_raises(
    program: Program, sandbox: Any
) -> None:
    told = program.tell("everything")
    file = told.pop("file")
    assert told == {
        "isSame": True,
        "changed": "Zoë & 9007199254740993",
        "batch": 3,
        "found": [True],
        "distinct": True,
        "pages": True,
        "own": 200,
        "refused": {"name": "ApiException", "code": 404, "message": "resource not found"},
    }
    assert sandbox.world.file_contents[file] == ("a b.bin", b"\xff" * 256_000)
    arrived = sandbox.control("GET", "/_control/requests?path=/")
    assert arrived
    assert program.partner.key not in str(arrived)


def test_prx_29_hubspots_javascript_client_waits_and_tries_again(program: Program, sandbox: Any) -> None:
    limit_once(sandbox, message="You have reached your secondly limit.")
    assert program.tell("page") == 1
    assert len(sandbox.control("GET", "/_control/requests?path=/crm")) == 2


def test_hubspots_javascript_client_does_not_notice_that_its_token_expired(
    program: Program, sandbox: Any
) -> None:
    sandbox.clock.advance(3_600)
    try:
        assert program.tell("page") == 1
    finally:
        sandbox.clock.advance(-3_600)
