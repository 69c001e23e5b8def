"""A sandbox per test, an app on it, and a session that holds a customer's access token."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.testing import RunningSandbox, running_sandbox
from tests.sandbox.consent import REDIRECT_URL, SCOPES, STARTER


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def app(sandbox: RunningSandbox) -> dict[str, Any]:
    body = {
        "name": "Demo",
        "redirectUrls": [REDIRECT_URL],
        "scopes": SCOPES,
        "optionalScopes": ["tickets.sensitive", "forms", "files"],
    }
    made: dict[str, Any] = sandbox.control("POST", "/_control/apps", body)
    return made


@pytest.fixture
def grant(sandbox: RunningSandbox, app: dict[str, Any]) -> dict[str, Any]:
    body = {"clientId": app["clientId"], "hubId": STARTER, "scopes": [*SCOPES, "forms", "files"]}
    made: dict[str, Any] = sandbox.control("POST", "/_control/grants", body)
    return made


class Api(requests.Session):
    """Calls relative to the sandbox, with the customer's token."""

    def __init__(self, base_url: str, access_token: str) -> None:
        super().__init__()
        self.base_url = base_url
        self.headers["Authorization"] = f"Bearer {access_token}"

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", 10)
        options["allow_redirects"] = False
        return super().request(method, self.base_url + str(url), *args, **options)


@pytest.fixture
def api(sandbox: RunningSandbox, grant: dict[str, Any]) -> Iterator[Api]:
    with Api(sandbox.url, grant["accessToken"]) as session:
        yield session
