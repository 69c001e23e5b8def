"""The demo's own processes, Chromium, and people who walk the story with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.browser.partner_app import PartnerApp
from tests.browser.visitor import Album, Visitor
from tests.demo.test_run import running
from tests.services import free_port
from tests.suite import chromium

sync_api = pytest.importorskip("playwright.sync_api")

_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_STEP_MILLISECONDS = 30_000

MakeVisitor = Callable[..., Visitor]


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What demo.json says, while `make run`'s processes run on free ports."""
    folder = tmp_path_factory.mktemp("demo")
    with running(folder, free_port(), free_port()) as (_, answers):
        yield answers


@pytest.fixture(scope="package", autouse=True)
def link_of_a_minute(demo: dict[str, Any]) -> dict[str, Any]:
    """A link with the shortest lifetime, made as early as can be for the test that waits for its end."""
    return PartnerApp(demo).connect_link("left lying", expiresInSeconds=60)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Chromium. Closed with this package: while Playwright's loop runs, this thread can run no other."""
    executable = chromium()
    if executable is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    """Where the pictures go: PATCHBAY_SCREENSHOTS, or a folder that pytest clears away."""
    chosen = os.environ.get("PATCHBAY_SCREENSHOTS")
    return Album(Path(chosen) if chosen else tmp_path_factory.mktemp("screenshots"))


@pytest.fixture
def make_visitor(browser: Any, demo: dict[str, Any], album: Album) -> Iterator[MakeVisitor]:
    """Make a person with a fresh browser profile; in the end none may have a complaint."""
    visitors: list[Visitor] = []
    with ExitStack() as stack:

        def make(**options: Any) -> Visitor:
            context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", **options)
            stack.callback(context.close)
            context.set_default_timeout(_STEP_MILLISECONDS)
            visitor = Visitor(context, base_url=demo["baseUrl"], sandbox_url=demo["sandboxUrl"], album=album)
            visitors.append(visitor)
            return visitor

        yield make
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []


@pytest.fixture
def visitor(make_visitor: MakeVisitor) -> Visitor:
    """One person."""
    return make_visitor()


@pytest.fixture
def partner_app(demo: dict[str, Any]) -> PartnerApp:
    """The partner's backend: it calls the API with the demo's key."""
    return PartnerApp(demo)
