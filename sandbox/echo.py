"""The sandbox's own extras for testing a proxy: echo, bytes, sink, slow, status, redirect, events."""

import asyncio
import base64
import hashlib
import json
import random
from urllib.parse import quote

from aiohttp import web

from sandbox.arrivals import MAX_BODY_BYTES
from sandbox.errors import invalid
from sandbox.routing import Route
from sandbox.wire import Call, json_reply
from sandbox.world import Sandbox

CHUNK_BYTES = 64 * 1024
MOST_BYTES = 1 << 40
MOST_SECONDS = 600.0
MOST_EVENTS = 100_000
EVENT_PAUSE_SECONDS = 0.1


async def echo(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """ANY /_echo/{anything}: the request exactly as received."""
    return json_reply(
        {
            "method": call.method,
            "rawTarget": call.raw_target,
            "headers": call.header_list,
            "bodyBase64": base64.b64encode(call.body).decode(),
        }
    )


async def some_bytes(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /_bytes/{n}: n pseudo-random bytes, the same at every call, with flat memory."""
    left = _whole(call.params["n"], "n", most=MOST_BYTES)
    reply = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    reply.content_length = left
    await reply.prepare(call.request)
    if call.method == "HEAD":
        return reply
    source = random.Random(20261125)
    while left > 0:
        chunk = source.randbytes(CHUNK_BYTES)
        await reply.write(chunk[:left])
        left -= CHUNK_BYTES
    await reply.write_eof()
    return reply


async def sink(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_sink: counts and hashes what it is sent, with flat memory."""
    digest, count = hashlib.sha256(call.body), len(call.body)
    kept = bytearray()
    async for part in call.request.content.iter_any():
        digest.update(part)
        count += len(part)
        if len(kept) < MAX_BODY_BYTES:
            kept += part[: MAX_BODY_BYTES - len(kept)]
    if call.arrival is not None and kept:
        sandbox.arrivals.set_body(call.arrival, bytes(kept))
    return json_reply({"bytes": count, "sha256": digest.hexdigest()})


async def slow(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /_slow/{seconds}: answers then."""
    text = call.params["seconds"]
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MOST_SECONDS:
        raise invalid(f"seconds must be a number from 0 to {MOST_SECONDS:g}")
    await asyncio.sleep(seconds)
    return json_reply({"waitedSeconds": seconds})


async def status(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /_status/{code}: any final status."""
    code = _whole(call.params["code"], "code", most=599)
    if code < 200:
        raise invalid("code must be a whole number from 200 to 599")
    if code in (204, 205, 304):
        return web.Response(status=code)
    return json_reply({"status": code}, status=code)


async def redirect(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /_redirect?to=…: 302 there, whatever it is."""
    target = call.first("to")
    if not target or any(ord(char) < 32 or ord(char) == 127 for char in target):
        raise invalid("to must be a URL or a path")
    location = quote(target, safe="!#$%&'()*+,/:;=?@[]~ -._", errors="replace").replace(" ", "%20")
    return web.Response(status=302, headers={"Location": location})


async def events(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /_events/{n}: n server-sent events, one each 100 ms."""
    count = _whole(call.params["n"], "n", most=MOST_EVENTS)
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await reply.prepare(call.request)
    if call.method == "HEAD":
        return reply
    for number in range(1, count + 1):
        if number > 1:
            await asyncio.sleep(EVENT_PAUSE_SECONDS)
        await reply.write(f"id: {number}\ndata: {json.dumps({'number': number})}\n\n".encode())
    await reply.write_eof()
    return reply


def _whole(text: str, name: str, *, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) > most:
        raise invalid(f"{name} must be a whole number from 0 to {most}")
    return int(text)


ROUTES = [
    Route("*", "/_echo/{anything*}", echo, is_free=True),
    Route("GET", "/_bytes/{n}", some_bytes, is_free=True),
    Route("POST", "/_sink", sink, is_free=True, is_streamed=True),
    Route("GET", "/_slow/{seconds}", slow, is_free=True),
    Route("GET", "/_status/{code}", status, is_free=True),
    Route("GET", "/_redirect", redirect, is_free=True),
    Route("GET", "/_events/{n}", events, is_free=True),
]
