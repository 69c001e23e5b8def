"""A limit on content before Django sees it: its ASGI handler writes all of it to a file first, however long."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from accounts import request_context
from accounts.api import problems
from accounts.api.problems import Problem

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def limited(application: Application, *, max_bytes: int) -> Application:
    """The application, which never gets more content than max_bytes: such a request is answered 413."""

    async def entry(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        if _announced(scope) > max_bytes:
            await _refuse(send)
            return
        content = _Counted(receive, max_bytes)
        await application(scope, content.receive, send)
        if content.is_too_long:
            await _refuse(send)

    return entry


class _Counted:
    """Hands content on until there is too much of it; then the application is told that the caller left."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes

    @property
    def is_too_long(self) -> bool:
        return self._left < 0

    async def receive(self) -> Any:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_too_long else message


def _announced(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


async def _refuse(send: Send) -> None:
    """In JSON whoever asks, since no page has a form that long; the connection is closed with content unread."""
    request_id = request_context.new_request_id()
    problem = Problem("content_too_large", "The content is longer than any call here takes.")
    fields = {
        "Content-Type": problems.CONTENT_TYPE,
        "Cache-Control": "no-store",
        "Connection": "close",
        request_context.REQUEST_ID_HEADER: request_id,
    }
    headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    content = json.dumps(problem.body(request_id)).encode()
    await send({"type": "http.response.body", "body": content})
