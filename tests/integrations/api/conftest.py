"""A caller of the API, and a second partner on the other side of the wall."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from accounts.models.partner import DEFAULT_PERMISSIONS, Permission
from tests import factories
from tests.factories import World


@dataclass
class Api:
    """Calls as a partner's backend makes them."""

    authorization: str | None

    def call(self, method: str, path: str, body: Any = None, **extra: Any) -> Any:
        """One request; body is sent as JSON unless it is bytes already."""
        headers = {} if self.authorization is None else {"HTTP_AUTHORIZATION": self.authorization}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        extra.setdefault("content_type", "application/json")
        return Client(raise_request_exception=False).generic(method, path, content, **headers, **extra)

    def get(self, path: str, **query: Any) -> Any:
        return Client(raise_request_exception=False).get(
            path, query, **({} if self.authorization is None else {"HTTP_AUTHORIZATION": self.authorization})
        )

    def post(self, path: str, body: Any = None, **extra: Any) -> Any:
        return self.call("POST", path, body, **extra)

    def delete(self, path: str, body: Any = None, **extra: Any) -> Any:
        return self.call("DELETE", path, body, **extra)


def of(world: World) -> Api:
    return Api(f"Bearer {world.api_key}")


def without(world: World, permission: str) -> Api:
    """Another credential of the same partner that lacks one permission."""
    kept = [name for name in DEFAULT_PERMISSIONS if name != permission]
    new = factories.credential(world.partner, world.integration, permissions=kept)
    return Api(f"Bearer {new.api_key}")


def problem(response: Any, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The body of a problem, once its status, type, code and field are as told."""
    assert response.status_code == status, (response.status_code, response.content[:500])
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert (body["status"], body["code"], body.get("field")) == (status, code, field)
    assert body["requestId"] == response["X-Request-Id"]
    assert body["type"].endswith(code.replace("_", "-")) and body["title"] and body["detail"]
    return dict(body)


def same_but_for_the_request(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return {**one, "requestId": ""} == {**other, "requestId": ""}


@pytest.fixture
def api(world: World) -> Api:
    return of(world)


@pytest.fixture
def nobody() -> Api:
    return Api(None)


@pytest.fixture
def other(world: World) -> World:
    """Another partner that uses the very same integration."""
    return factories.world("Umbrella", of=world.integration)


@pytest.fixture
def all_permissions(world: World) -> Api:
    """A credential with tokens:read too."""
    new = factories.credential(world.partner, world.integration, permissions=list(Permission.values))
    return Api(f"Bearer {new.api_key}")
