"""Short calls through the asynchronous client, and servers that see it leave."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from egress.aio import AsyncClient, AsyncResponse, Timeouts
from egress.urls import parse_url
from tests.egress.conftest import ORIGIN
from tests.egress.servers import Conversation, Handler, Server

#: for calls that must run into it; all others have the real limits, so that a busy machine fails none
SHORT = Timeouts(connect=0.3, response_headers=0.3, idle=0.3)


async def call(client: AsyncClient, method: str = "GET", path: str = "/x", **kwargs: Any) -> AsyncResponse:
    kwargs.setdefault("headers", [])
    kwargs.setdefault("timeouts", Timeouts())
    return await client.stream(method, parse_url(ORIGIN + path), **kwargs)


async def fetch(client: AsyncClient, method: str = "GET", path: str = "/x", **kwargs: Any) -> bytes:
    response = await call(client, method, path, **kwargs)
    try:
        return b"".join([chunk async for chunk in response.iter_chunks()])
    finally:
        await response.aclose()


async def pieces(*parts: bytes, pause: float = 0) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(pause)
        yield part


def dripping(start: bytes, drop: bytes) -> Handler:
    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(start)
        for _ in range(600):
            time.sleep(0.03)
            conversation.send(drop)

    return handler


def watching(*parts: bytes) -> Handler:
    """Answer with parts of a reply and see whether the client closes the connection."""

    def handler(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(*parts)
        if conversation.wait_for_close():
            conversation.server.client_closed.set()

    return handler


async def closed(server: Server) -> bool:
    return await asyncio.to_thread(server.client_closed.wait, 20)


def watching_unread(conversation: Conversation) -> None:
    """See whether the client closes the connection; answer nothing."""
    if conversation.wait_for_close():
        conversation.server.client_closed.set()
