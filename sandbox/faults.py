"""Requests that are meant to go wrong: POST /_control/faults."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.errors import invalid
from sandbox.wire import JSON_TYPE, json_reply

ACTIONS = ("drop", "stall", "truncate", "drip")
_KEYS = {"match", "times", "status", "headers", "body", "action", "after", "seconds"}
LONGEST_STALL_SECONDS = 600.0

Serve = Callable[[], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Fault:
    """What the next `times` matching requests meet. after: carried out first, then it fails."""

    method: str | None
    path: str
    times: int
    status: int | None
    headers: dict[str, str]
    body: bytes | None
    content_type: str
    action: str | None
    after: bool
    seconds: float | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Fault":
        """The fault that the control call describes. Raises SandboxError (400)."""
        unknown = set(data) - _KEYS
        if unknown:
            raise invalid(f"unknown fault key {sorted(unknown)[0]!r}; known are {', '.join(sorted(_KEYS))}")
        match = data.get("match", {})
        if not isinstance(match, dict) or set(match) - {"method", "path"}:
            raise invalid("match must be an object of method and path")
        method, path = match.get("method"), match.get("path", "/")
        if not (method is None or isinstance(method, str)) or not isinstance(path, str):
            raise invalid("match.method and match.path must be texts")
        action, status = data.get("action"), data.get("status")
        if action is not None and action not in ACTIONS:
            raise invalid(f"action must be one of {', '.join(ACTIONS)}")
        if status is None and action is None:
            raise invalid("a fault needs a status or an action")
        if status is not None and not (_is_whole(status) and 200 <= status <= 599):
            raise invalid("status must be a whole number from 200 to 599")
        times = data.get("times", 1)
        if not _is_whole(times) or not 1 <= times <= 1_000_000:
            raise invalid("times must be a whole number from 1 to 1000000")
        body, content_type = _body(data)
        return cls(
            method=method.upper() if method else None,
            path=path,
            times=times,
            status=status,
            headers=_headers(data),
            body=body,
            content_type=content_type,
            action=action,
            after=data.get("after") is True,
            seconds=_seconds(data),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "match": {"method": self.method, "path": self.path},
            "times": self.times,
            "status": self.status,
            "action": self.action,
            "after": self.after,
        }

    def reply(self) -> web.Response | None:
        """The reply that the fault itself describes, if it does."""
        if self.status is None and self.body is None and not self.headers:
            return None
        reply = web.Response(status=self.status or 200, body=self.body or b"")
        if self.body is not None:
            reply.headers["Content-Type"] = self.content_type
        for name, value in self.headers.items():
            reply.headers[name] = value
        return reply


class Faults:
    """The faults that wait for their requests, first come first served."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def to_json(self) -> list[dict[str, Any]]:
        return [fault.to_json() for fault in self._waiting]

    def take(self, method: str, raw_target: str) -> Fault | None:
        """The fault of this request, used up once."""
        for fault in self._waiting:
            if fault.method in (None, method) and raw_target.startswith(fault.path):
                fault.times -= 1
                if fault.times == 0:
                    self._waiting.remove(fault)
                return fault
        return None


async def play(fault: Fault, request: web.Request, serve: Serve) -> web.StreamResponse:
    """Let the request go wrong. `serve` carries it out for real and is called at most once."""
    described = fault.reply()
    needs_reply = fault.action in ("truncate", "drip") and described is None
    real = await serve() if fault.after or needs_reply else None
    if fault.action == "stall":
        await asyncio.sleep(LONGEST_STALL_SECONDS if fault.seconds is None else fault.seconds)
        return hang_up(request)
    if fault.action == "drop":
        return hang_up(request)
    reply = described or real
    if not isinstance(reply, web.Response):  # streamed replies are under way already
        return reply or json_reply({})
    if fault.action == "truncate":
        return await _truncate(request, reply)
    if fault.action == "drip":
        return await _drip(request, reply, pause_seconds=0.1 if fault.seconds is None else fault.seconds)
    return reply


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without a reply. The returned object can no longer be sent."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def _truncate(request: web.Request, reply: web.Response) -> web.StreamResponse:
    body = _content(reply) or b'{"results":[]}'
    stream = await _begin(request, reply, length=len(body))
    await stream.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return stream


async def _drip(request: web.Request, reply: web.Response, *, pause_seconds: float) -> web.StreamResponse:
    body = _content(reply)
    stream = await _begin(request, reply, length=len(body))
    for index in range(len(body)):
        await stream.write(body[index : index + 1])
        await asyncio.sleep(pause_seconds)
    return stream


async def _begin(request: web.Request, reply: web.Response, *, length: int) -> web.StreamResponse:
    stream = web.StreamResponse(status=reply.status, headers=reply.headers)
    stream.content_length = length
    await stream.prepare(request)
    return stream


def _content(reply: web.Response) -> bytes:
    return reply.body if isinstance(reply.body, bytes) else b""


def _body(data: Mapping[str, Any]) -> tuple[bytes | None, str]:
    value = data.get("body")
    if value is None:
        return None, JSON_TYPE
    if isinstance(value, str):
        is_html = value.lstrip().startswith("<")
        return value.encode("utf-8", errors="replace"), "text/html;charset=utf-8" if is_html else JSON_TYPE
    return json.dumps(value, ensure_ascii=False).encode("utf-8", errors="replace"), JSON_TYPE


def _headers(data: Mapping[str, Any]) -> dict[str, str]:
    headers = data.get("headers", {})
    if not isinstance(headers, dict):
        raise invalid("headers must be an object of texts")
    for name, value in headers.items():
        is_text = isinstance(value, str) and name
        if not is_text or any(char in name + value for char in "\r\n\0"):
            raise invalid(f"header {name!r} is no field of text")
    return headers


def _seconds(data: Mapping[str, Any]) -> float | None:
    value = data.get("seconds")
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= LONGEST_STALL_SECONDS:
        raise invalid(f"seconds must be a number from 0 to {LONGEST_STALL_SECONDS:g}")
    return float(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
