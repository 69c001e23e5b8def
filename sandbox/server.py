"""The HTTP side: one entry for every request, from the raw target to the reply."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import time

from aiohttp import web

from sandbox import (
    account_info,
    authorize,
    control,
    developer,
    echo,
    faults,
    files,
    forms,
    introspection,
    marketplace,
    tokens,
)
from sandbox.crm import ROUTES as CRM_ROUTES
from sandbox.errors import SandboxError, not_found, refuse
from sandbox.routing import Route, Router
from sandbox.wire import Call, json_reply
from sandbox.world import Sandbox

log = logging.getLogger("sandbox")

SANDBOX = web.AppKey("sandbox", Sandbox)
OWN_PATHS = ("_control", "developer")
MAX_BODY_BYTES = 96 * 1024 * 1024
MAX_TARGET_CHARACTERS = 16_300
COMPRESS_FROM_BYTES = 512
# Arguments of web.AppRunner: long targets and fields are read, bodies stay as sent, nothing is logged.
RUNNER_OPTIONS = {
    "access_log": None,
    "auto_decompress": False,
    "max_line_size": 1 << 20,
    "max_field_size": 1 << 18,
    "shutdown_timeout": 0.5,
}

ROUTER = Router(
    [
        *authorize.ROUTES,
        *marketplace.ROUTES,
        *tokens.ROUTES,
        *introspection.ROUTES,
        *account_info.ROUTES,
        *CRM_ROUTES,
        *forms.ROUTES,
        *files.ROUTES,
        *echo.ROUTES,
        *developer.ROUTES,
        *control.ROUTES,
    ]
)


def create_app(
    state_path: Path | None = None, *, clock: Callable[[], float] = time, sandbox: Sandbox | None = None
) -> web.Application:
    """The application around one Sandbox, which is stored under SANDBOX and saved on cleanup."""
    app = web.Application(client_max_size=0)
    app[SANDBOX] = sandbox or Sandbox(state_path, clock=clock)

    async def keep(app: web.Application) -> AsyncIterator[None]:
        yield
        app[SANDBOX].save()

    app.cleanup_ctx.append(keep)
    app.router.add_route("*", "/{anything:.*}", dispatch)
    return app


async def dispatch(request: web.Request) -> web.StreamResponse:
    """Answer one request; refusals become HubSpot's error bodies, and nothing becomes a bare 500."""
    sandbox, call = request.app[SANDBOX], Call(request)
    try:
        reply = await _serve(sandbox, call)
    except SandboxError as error:
        reply = refused(call, error)
    except Exception:
        log.exception("unexpected failure on %s %s", call.method, call.raw_path)
        reply = refused(call, refuse(500, "internal error", category="INTERNAL_ERROR"))
    return reply if reply.prepared else _finished(sandbox, call, reply)


async def _serve(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    is_own = bool(call.segments) and call.segments[0] in OWN_PATHS
    if is_own and is_own_host(call):
        await _read_body(sandbox, call)
        return await ROUTER.find(call).handler(sandbox, call)
    call.arrival = sandbox.arrivals.add(
        method=call.method, raw_target=call.raw_target, headers=call.header_list
    )
    fault = sandbox.faults.take(call.method, call.raw_target)
    try:
        route = ROUTER.find(call) if not is_own else None
    except SandboxError:
        route = None
        if fault is None:
            await _read_body(sandbox, call)
            raise
    if fault is not None or route is None or not route.is_streamed:
        await _read_body(sandbox, call)
    if fault is None:
        return await _answer(sandbox, call, route)

    async def answer() -> web.StreamResponse:
        try:
            return await _answer(sandbox, call, route)
        except SandboxError as error:
            return refused(call, error)

    return await faults.play(fault, call.request, answer)


async def _answer(sandbox: Sandbox, call: Call, route: Route | None) -> web.StreamResponse:
    if route is None:
        raise not_found()
    if not route.is_free and len(call.raw_target) > MAX_TARGET_CHARACTERS:
        raise refuse(414, "HTTP 414 URI Too Long")
    try:
        return await route.handler(sandbox, call)
    finally:  # the call is carried out at once, the answer takes its time
        if not route.is_free and call.segments[0] != "oauth":
            await asyncio.sleep(sandbox.behaviour.apiDelaySeconds)


def is_own_host(call: Call) -> bool:
    """Whether the Host field names the sandbox itself rather than a HubSpot host that is mapped to it."""
    transport = call.request.transport
    address = transport.get_extra_info("sockname") if transport else None
    if not address:
        return False
    names = ("127.0.0.1", "localhost", "[::1]")
    return call.host in {f"{name}:{address[1]}" for name in names} or (
        address[1] == 80 and call.host in names
    )


async def _read_body(sandbox: Sandbox, call: Call) -> None:
    parts: list[bytes] = []
    size = 0
    async for part in call.request.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise refuse(413, "HTTP 413 Request Entity Too Large")
        parts.append(part)
    call.body = b"".join(parts)
    if call.arrival is not None:
        sandbox.arrivals.set_body(call.arrival, call.body)


def refused(call: Call, error: SandboxError) -> web.Response:
    """The reply to a refusal."""
    return json_reply(error.body(call.correlation_id), status=error.status, headers=error.headers)


def _finished(sandbox: Sandbox, call: Call, reply: web.StreamResponse) -> web.StreamResponse:
    """Add what every HubSpot reply carries."""
    for name, value in call.reply_headers.items():
        reply.headers[name] = value
    reply.headers.setdefault("X-HubSpot-Correlation-Id", call.correlation_id)
    reply.headers.setdefault("Vary", "origin, Accept-Encoding")
    if sandbox.behaviour.chunked and isinstance(reply, web.Response) and reply.status == 200:
        reply.headers.popall("Content-Length", None)
        reply.enable_chunked_encoding()
    is_long = isinstance(reply, web.Response) and len(reply.body or b"") >= COMPRESS_FROM_BYTES  # type: ignore[arg-type]  # bodies here are bytes
    if sandbox.behaviour.gzip and is_long:
        reply.enable_compression()
    return reply


async def start(app: web.Application, *, host: str = "127.0.0.1", port: int = 0) -> tuple[web.AppRunner, int]:
    """Listen; the runner, whose cleanup() stops it, and the port that was taken."""
    runner = web.AppRunner(app, **RUNNER_OPTIONS)  # type: ignore[arg-type]  # options of the request handler
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, int(runner.addresses[0][1])


async def until(stop: asyncio.Event, runner: web.AppRunner) -> None:
    """Serve until stop is set, then close what is open."""
    await stop.wait()
    await runner.cleanup()
