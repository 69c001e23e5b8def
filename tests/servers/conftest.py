"""The servers, each started when a test first asks for it, and the platform in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from integrations import catalogue, setup
from tests import factories
from tests.proxy.conftest import _collector_as_it_was, at, platform  # noqa: F401  # fixtures
from tests.proxy.servers import Served
from tests.servers import entries
from tests.servers.glewlwyd import running as glewlwyd
from tests.servers.oidc_provider import running as oidc_provider
from tests.servers.real import App, RealServer
from tests.servers.scene import Scene, values_of
from tests.servers.toolkit import running as toolkit
from tests.servers.visitor import Visitor

Start = Callable[[str], RealServer]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """start(name): the server of that name, running until the session ends."""
    makers: dict[str, Callable[[Path], Any]] = {
        "oidc-provider": lambda folder: oidc_provider.running(folder, name="oidc-provider"),
        "pushing": lambda folder: oidc_provider.running(folder, name="pushing", is_pushed=True),
        "toolkit": toolkit.running,
        "lenient": lambda folder: toolkit.running(folder, name="lenient", grace_seconds=3_600),
        "glewlwyd": glewlwyd.running,
    }
    running: dict[str, RealServer] = {}
    with ExitStack() as stack:

        def get(name: str) -> RealServer:
            if name not in running:
                running[name] = stack.enter_context(makers[name](tmp_path_factory.mktemp(name)))
            return running[name]

        yield get


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """The operator's folder of entries, empty."""
    settings.UPSTREAM_MAP = {}
    made, before = tmp_path / "providers", catalogue.operators_folder()
    made.mkdir()
    yield made
    catalogue.use_folder(before)


MakeScene = Callable[..., Scene]


@pytest.fixture
def make_scene(
    start: Start,
    folder: Path,
    platform: Served,  # noqa: F811
    transactional_db: Any,
    settings: Any,
) -> MakeScene:
    """make_scene(server's name, metadata of our client, its private key in PEM, members of the entry's `oauth`).

    The name is the entry's id and the integration's short name too. Several in one test share the platform.
    """
    settings.PUBLIC_URL = f"http://localhost:{platform.port}"
    origins: dict[str, str] = {}

    def make(
        name: str, *, client: dict[str, Any] | None = None, private_key: str = "", **oauth: Any
    ) -> Scene:
        server = start(name)
        origins[server.origin] = server.url
        settings.UPSTREAM_MAP = settings.UPSTREAM_MAP | origins
        entries.finished(server, folder, **oauth)
        entries.serve(folder)
        app = server.register(f"{settings.PUBLIC_URL}/oauth/{name}/callback", **(client or {}))
        app = App(app.client_id, private_key or app.client_secret)
        made = setup.create(name, name, values_of(app, server), actor=factories.ACTOR)
        world = factories.world(f"Partner of {name}", of=made)
        visitor = Visitor(home=settings.PUBLIC_URL, origins=origins)
        return Scene(server, world, app, settings.PUBLIC_URL, visitor)

    return make
