"""docs/sdks.md against the packages that are run, and the checks of this folder against themselves."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from integrations import catalogue
from tests.docs import pages
from tests.provider_server import Answer, Received
from tests.sdks import installed, page
from tests.sdks.vendor import FIRST, Vendor
from tests.suite import ROOT

_NAMED = re.compile(r"\[`([^`]+)`\]\(#[\w-]+\) ([\d.]+)")


def locked() -> dict[str, str]:
    """Package -> version, of the three locks."""
    found: dict[str, str] = {}
    for path in (ROOT / "requirements-dev.txt", installed.HERE / "msgraph" / "requirements.txt"):
        for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", pages.read(path), re.MULTILINE):
            found[name.lower().replace("_", "-")] = version
    for name, entry in json.loads(pages.read(installed.HERE / "node" / "package-lock.json"))[
        "packages"
    ].items():
        found[name.removeprefix("node_modules/")] = entry.get("version", "")
    return found


def test_the_page_names_the_versions_that_are_run() -> None:
    told = dict(_NAMED.findall(page.TEXT))
    assert len(told) == 8
    assert {name: locked()[name.lower().replace("_", "-")] for name in told} == told


def test_every_sdk_of_the_page_has_one_block_of_code() -> None:
    for name in dict(_NAMED.findall(page.TEXT)):
        assert page.block(name).language == ("js" if name.startswith("@") else "python")


def of_the_page() -> set[tuple[str, str]]:
    """Provider and package of each SDK that is run."""
    named = [(_NAMED.match(cells[0]), cells[1].strip("`")) for cells in pages.rows(page.TEXT)]
    return {(provider_id, found[1]) for found, provider_id in named if found}


def test_the_page_s_providers_are_in_the_catalogue() -> None:
    told = {provider_id for provider_id, _ in of_the_page()}
    assert told <= {provider.id for provider in catalogue.all_providers()}
    assert len(told) == 7


def test_the_catalogue_s_lines_are_those_of_the_page_where_they_are_run() -> None:
    """Those of providers that the page does not name are shown with the entry alone, and not run."""
    run = of_the_page()
    ids = {provider_id for provider_id, _ in run}
    shown = {entry.id: entry.sdk for entry in catalogue.all_providers() if entry.sdk and entry.id in ids}
    assert {"hubspot", "slack", "stripe"} <= set(shown)
    assert {(provider_id, sdk.package) for provider_id, sdk in shown.items()} <= run
    for sdk in shown.values():
        lines = sdk.snippet.replace('"{key}"', "KEY").replace('"{proxy_url}"', "PROXY_URL")
        (made,) = [line for line in lines.splitlines() if line.startswith("client = ")]
        names = re.findall(r"\w+", made)
        assert set(names) <= set(re.findall(r"\w+", page.block(sdk.package).text)), sdk.package


def test_no_lock_names_where_its_packages_come_from() -> None:
    assert '"resolved"' not in pages.read(installed.HERE / "node" / "package-lock.json")
    assert "://" not in pages.read(installed.HERE / "msgraph" / "requirements.txt")


def test_a_story_fails_and_says_why_where_npm_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pytest.fail.Exception, match="apt-get install nodejs npm"):
        installed.node_modules()


def test_a_package_that_cannot_be_installed_fails_the_test_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    lock = tmp_path / "lock"
    lock.write_text("x")

    def install(folder: Path) -> None:
        installed._run(["sh", "-c", "echo no such package >&2; exit 1"], folder)

    with pytest.raises(pytest.fail.Exception, match="no such package"):
        installed._cached("x", lock, install)
    (root,) = tmp_path.glob("patchbay-sdks-*")
    assert list(root.iterdir()) == []


class _Server:
    """As much of a ProviderServer as the check looks at."""

    def __init__(self, *requests: Received) -> None:
        self.requests = list(requests)
        self._scripts = {("POST", "https://api.example.com/x"): [Answer()]}


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        ("/x?access_token=the-key", (), b""),
        ("/x", (("X-Api-Key", "the-key"),), b""),
        ("/x", (), b"session=the-key"),
        ("/x", (("Patchbay-Host", "api.example.com"),), b""),
        ("/other", (), b""),
    ],
)
def test_prx_12_the_check_finds_a_key_wherever_it_went(
    target: str, headers: tuple[tuple[str, str], ...], body: bytes
) -> None:
    host = ("Host", "api.example.com")

    def vendor(*requests: Received) -> Vendor:
        server = _Server(*requests)
        return Vendor(server, "", token_endpoint="", expired=Answer())  # type: ignore[arg-type]  # see _Server

    right = Received("POST", "/x", (host, ("Authorization", f"Bearer {FIRST}")), b"")
    vendor(right).require_kept_apart("the-key")
    with pytest.raises(AssertionError):
        vendor(right, Received("POST", target, (host, *headers), body)).require_kept_apart("the-key")
