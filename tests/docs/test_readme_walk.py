"""The commands of README.md and docs/sandbox.md, run as they stand there against a demo that `make run` starts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.demo.test_run import connect_as_customer, running
from tests.docs import pages
from tests.services import free_port
from tests.suite import ROOT

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("demo")]
README = pages.read(ROOT / "README.md")


def is_link_that_the_customer_opens(printed: str) -> None:
    link = json.loads(printed)
    assert link["userForeignIdentifier"] == "customer-1"
    connect_as_customer(link["url"])


def is_active_connection(printed: str) -> None:
    (connection,) = json.loads(printed)["results"]
    assert connection["status"] == "active"
    assert connection["userForeignIdentifier"] == "customer-1"
    assert connection["providerAccount"]["id"]


def is_page_of_three_contacts(printed: str) -> None:
    assert len(json.loads(printed)["results"]) == 3


def is_created(printed: str) -> None:
    head, _, body = printed.replace("\r\n", "\n").partition("\n\n")
    assert head.splitlines()[0].split()[1] == "201"
    assert re.search(r"^proxy-status: patchbay; received-status=201$", head, re.MULTILINE | re.IGNORECASE)
    assert json.loads(body)["properties"]["firstname"] == "Grace"


def is_install_link(printed: str) -> None:
    reply = json.loads(printed)
    assert set(reply) == {"url", "userForeignIdentifier", "UUID"}
    assert reply["userForeignIdentifier"] == "customer-2"


def is_wrapped_page(printed: str) -> None:
    assert len(json.loads(printed)["data"]["results"]) == 3


def is_whole_behaviour(printed: str) -> None:
    assert {"expiresIn", "rotateRefreshTokens"} <= set(json.loads(printed))


def is_accepted(printed: str) -> None:
    assert json.loads(printed or "{}").get("status") != "error", printed


def is_list_of_requests(printed: str) -> None:
    arrived = json.loads(printed)
    assert {"method", "rawTarget", "headers", "body"} <= set(arrived[0])


def is_state(printed: str) -> None:
    assert {"apps", "accounts", "behaviour"} <= set(json.loads(printed))


#: a piece of each command -> what its reply must be
EXPECTED: dict[str, Callable[[str], None]] = {
    "/api/v1/connect-links": is_link_that_the_customer_opens,
    "/api/v1/connections?": is_active_connection,
    'contacts?limit=3" \\\n': is_page_of_three_contacts,
    "curl -si -X POST": is_created,
    "/proxy/hbdev \\\n": is_page_of_three_contacts,
    "/api/hubspot/auth/": is_install_link,
    "/api/raw/": is_wrapped_page,
}

SANDBOX_EXPECTED: dict[str, Callable[[str], None]] = {
    '"expiresIn": 20': is_whole_behaviour,
    "rotateRefreshTokens": is_whole_behaviour,
    '"status": 503': is_accepted,
    '"truncate"': is_accepted,
    "/_control/uninstall": is_accepted,
    "/_control/requests": is_list_of_requests,
    "/_control/state": is_state,
    "/_control/reset": is_accepted,
}


def test_every_command_of_the_readme_and_of_the_sandbox_page_does_what_they_say(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    port, sandbox_port = free_port(), free_port()
    here = {"8000": str(port), "8100": str(sandbox_port), "var/": f"{folder}/"}
    with running(folder, port, sandbox_port):
        run_commands(pages.section(README, "The first connection"), EXPECTED, here)
        run_sdk(here)
        run_commands(pages.read(ROOT / "docs" / "sandbox.md"), SANDBOX_EXPECTED, here)


def run_commands(text: str, expected: dict[str, Callable[[str], None]], here: dict[str, str]) -> None:
    """Each block of the text in its order; assignments are kept, as in a terminal."""
    assignments = ""
    waiting = dict(expected)
    for block in pages.blocks(text):
        assert block.language == "sh"
        command = as_here(block.text, here)
        if re.match(r"[A-Z]+=", command):
            assignments += command
            continue
        fitting = [piece for piece in waiting if piece in block.text]
        assert fitting, f"nothing is expected of\n{block.text}"
        waiting.pop(fitting[0])(printed_by(["bash", "-euc", assignments + command]))
    assert not waiting, "these are not shown any more"


def run_sdk(here: dict[str, str]) -> None:
    (block,) = [
        block
        for block in pages.blocks(pages.section(README, "The vendor's own SDK"))
        if block.language == "python"
    ]
    lines = printed_by([sys.executable, "-c", as_here(block.text, here)]).splitlines()
    assert len(lines) == 3
    assert all(re.fullmatch(r"\d+ \S+@\S+", line) for line in lines)


def as_here(text: str, here: dict[str, str]) -> str:
    """The text with the ports and the folder of this run, and no other change."""
    return re.sub("|".join(map(re.escape, here)), lambda match: here[match[0]], text)


def printed_by(command: list[str]) -> str:
    done: Any = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)
