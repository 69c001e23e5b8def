"""`python -m sandbox`: serve until SIGTERM or SIGINT."""

import asyncio
import ipaddress
import os
import signal
import sys
from pathlib import Path

from sandbox import apps
from sandbox.server import SANDBOX, create_app, start, until
from sandbox.state import UnreadableState
from sandbox.world import Sandbox

DEMO_NAMES = ("SANDBOX_DEMO_CLIENT_ID", "SANDBOX_DEMO_CLIENT_SECRET")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        sys.exit(f"SANDBOX_PORT must be a number from 0 to 65535, such as 8100, not {text!r}")
    return int(text)


def _make_demo_app(sandbox: Sandbox) -> None:
    """Make the app that the environment describes; one that exists keeps what was added to it by hand."""
    client_id, client_secret = (os.environ.get(name) for name in DEMO_NAMES)
    if not client_id or not client_secret:
        return
    before = sandbox.state.apps.get(client_id)
    app_id = os.environ.get("SANDBOX_DEMO_APP_ID", "")
    redirect_url = os.environ.get("SANDBOX_DEMO_REDIRECT_URL", "")
    if redirect_url and (problem := apps.redirect_url_problem(redirect_url)):
        sys.exit(f"SANDBOX_DEMO_REDIRECT_URL: {problem}")
    if app_id and not app_id.isdigit():
        sys.exit("SANDBOX_DEMO_APP_ID must be a whole number, such as 1160452")
    scopes = os.environ.get("SANDBOX_DEMO_SCOPES", "").split()
    optional = os.environ.get("SANDBOX_DEMO_OPTIONAL_SCOPES", "").split()
    apps.create(
        sandbox,
        before.name if before else "Demo app",
        client_id=client_id,
        client_secret=client_secret,
        app_id=int(app_id) if app_id else None,
        redirect_urls=[*(before.redirect_urls if before else []), *([redirect_url] if redirect_url else [])],
        scopes=[*scopes, *(before.scopes if before else [])],
        optional_scopes=[*optional, *(before.optional_scopes if before else [])],
    )
    sandbox.demo_client_id = client_id


async def serve(*, host: str, port: int, state_path: Path) -> None:
    """Listen, say so on one line, and stop within two seconds of a signal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    app = create_app(state_path)
    _make_demo_app(app[SANDBOX])
    runner, taken = await start(app, host=host, port=port)
    print(f"sandbox listening on http://{host}:{taken}", flush=True)
    await until(stop, runner)


def main() -> None:
    host = os.environ.get("SANDBOX_HOST") or "127.0.0.1"
    if not _is_loopback(host):
        sys.exit(
            f"SANDBOX_HOST must be a loopback address such as 127.0.0.1, not {host!r}: nothing here is locked"
        )
    port = _port(os.environ.get("SANDBOX_PORT") or "8100")
    folder = Path(os.environ.get("PATCHBAY_DATA_DIR") or "var")
    try:
        asyncio.run(serve(host=host, port=port, state_path=folder / "sandbox.json"))
    except (OSError, UnreadableState) as error:
        sys.exit(f"the sandbox cannot start: {error}")


if __name__ == "__main__":
    main()
