"""One demo for the whole suite, started as a user starts it, and the callers that the sections need."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.outside import Outside, Partner
from tests.demo.test_run import running
from tests.services import free_port

#: name of the caller -> its permissions, None for the usual ones
_CALLERS: dict[str, list[str] | None] = {
    "stranger": None,
    "reader": ["connections:read"],
    "outsider": ["flows"],
    "holder": ["connections:read", "connections:write", "tokens:read"],
}
SECOND_SLUG = "hbsecond"


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    folder = tmp_path_factory.mktemp("contract") / "data"
    folder.mkdir()
    with running(folder, free_port(), free_port()) as (_, demo):
        yield Outside(demo, folder)


@pytest.fixture(scope="session")
def callers(outside: Outside, second: str) -> dict[str, Partner]:
    """Partners beside the demo's, each with one credential on `hbdev`; the stranger on another integration."""

    def made(name: str) -> Partner:
        words = ["create_partner", "--json", "--name", f"The {name} {uuid.uuid4().hex[:6]}"]
        words += ["--integration", second if name == "stranger" else outside.slug]
        for permission in _CALLERS[name] or ():
            words += ["--permission", permission]
        done = outside.manage(*words)
        assert done.returncode == 0, done.stderr
        return Partner.of(json.loads(done.stdout))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(_CALLERS, pool.map(made, _CALLERS), strict=True))


@pytest.fixture(scope="session")
def second(outside: Outside) -> str:
    """A second integration, which the demo's partner may not use."""
    app = outside.control(
        "POST",
        "/apps",
        {
            "name": "Second app",
            "redirectUrls": [f"{outside.base}/oauth/{SECOND_SLUG}/callback"],
            "scopes": ["oauth", "crm.objects.contacts.read"],
        },
        expect=201,
    )
    words = ["create_integration", "--provider", "hubspot", "--slug", SECOND_SLUG, "--json"]
    words += ["--client-id", app["clientId"], "--app-id", str(app["appId"])]
    words += ["--scope", "crm.objects.contacts.read"]
    done = outside.manage(*words, env={"PATCHBAY_CLIENT_SECRET": app["clientSecret"]})
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    assert made["redirectUrl"] == f"{outside.base}/oauth/{SECOND_SLUG}/callback"
    return SECOND_SLUG


@pytest.fixture
def customer(outside: Outside) -> str:
    """A customer who has connected."""
    name = outside.customer()
    outside.adopt(name)
    return name


@pytest.fixture
def _sandbox_at_rest(outside: Outside) -> Iterator[None]:
    """For tests that make the provider fail: no fault is left behind."""
    yield
    outside.control("DELETE", "/faults")
