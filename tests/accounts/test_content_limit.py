"""Content without end is refused before it is written anywhere, at every path that Django serves."""

from __future__ import annotations

import asyncio
import json
import tempfile
from typing import Any

import pytest

from config.asgi import application

MEGABYTE = 1_048_576
PATHS = ["/connect/x", "/oauth/token", "/api/v1/connect-links", "/admin/login/", "/nothing"]


class Upload:
    """An ASGI server with a caller who sends megabytes; what comes back."""

    def __init__(self, path: str, *, megabytes: int, announced: bool) -> None:
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        if announced:
            headers.append((b"content-length", str(megabytes * MEGABYTE).encode()))
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        self.left = megabytes
        self.taken = 0
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if not self.left:
            await asyncio.Event().wait()
        self.taken += 1
        self.left -= 1
        return {"type": "http.request", "body": b" " * MEGABYTE, "more_body": self.left > 0}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def run(self) -> int:
        await application(self.scope, self.receive, self.send)
        return int(self.sent[0]["status"])


@pytest.fixture
def spooled(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("path", PATHS)
async def test_content_beyond_the_limit_is_refused_and_not_read_on(
    path: str, announced: bool, spooled: Any
) -> None:
    upload = Upload(path, megabytes=100, announced=announced)
    assert await upload.run() == 413
    assert upload.taken == (0 if announced else 13)
    fields = dict(upload.sent[0]["headers"])
    assert fields[b"content-type"] == b"application/problem+json"
    body = json.loads(upload.sent[1]["body"])
    assert body["code"] == "content_too_large"
    assert fields[b"x-request-id"].decode() == body["requestId"]
    assert len(upload.sent) == 2
    assert list(spooled.iterdir()) == []


@pytest.mark.django_db(transaction=True)
async def test_content_within_the_limit_reaches_the_view() -> None:
    upload = Upload("/oauth/token", megabytes=2, announced=True)
    assert await upload.run() == 413  # the call's own limit of one megabyte, told by the view
    assert upload.taken == 2
    assert "1,048,576" in json.loads(upload.sent[1]["body"])["detail"]
