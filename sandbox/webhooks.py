"""Sends webhook events as HubSpot does: POST /_control/webhooks."""

import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from sandbox import signatures
from sandbox.errors import invalid, refuse
from sandbox.state import App
from sandbox.wire import a_list, a_text
from sandbox.world import Sandbox

DELIVERY_TIMEOUT_SECONDS = 5.0
STALE_MILLISECONDS = 10 * 60 * 1000
VERSIONS = ("v1", "v2", "v3")
MAX_EVENTS = 100
_KEYS = {"url", "signedUrl", "events", "signature", "duplicate", "shuffle", "stale", "clientId", "attempts"}


async def send(sandbox: Sandbox, data: dict[str, Any]) -> dict[str, Any]:
    """Deliver the batch now; {"status": n} of the last attempt, 0 with "error" when nobody answered.

    Raises SandboxError: 400 for input that makes no sense, 404 for an unknown clientId.
    """
    if unknown := set(data) - _KEYS:
        raise invalid(f"unknown key {sorted(unknown)[0]!r}; known are {', '.join(sorted(_KEYS))}")
    url = a_text(data, "url")
    _check_url(url)
    version = data.get("signature", "v3")
    if version not in VERSIONS:
        raise invalid(f"signature must be one of {', '.join(VERSIONS)}")
    attempts = data.get("attempts", 1)
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= 10:
        raise invalid("attempts must be a whole number from 1 to 10")
    app = _app(sandbox, data)
    events = _events(sandbox, app, data)
    result: dict[str, Any] = {"status": 0}
    deliveries = 2 if data.get("duplicate") is True else 1
    for attempt in range(attempts):
        body = _encoded(events, attempt)
        for _ in range(deliveries):
            headers = _headers(sandbox, app, version, data=data, body=body)
            result = await _post(url, body, headers)
        if 200 <= result["status"] < 300:
            break
    return result


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_http = False
    if not is_http or not url.isascii() or any(ord(char) <= 32 for char in url):
        raise invalid("url must be an absolute http or https URL")


def _app(sandbox: Sandbox, data: dict[str, Any]) -> App:
    client_id = data.get("clientId")
    if client_id is None:
        client_id = sandbox.demo_client_id or next(iter(sandbox.state.apps), None)
    app = sandbox.state.apps.get(client_id) if isinstance(client_id, str) else None
    if app is None:
        raise refuse(404, "no app has this clientId", category="OBJECT_NOT_FOUND")
    return app


def _events(sandbox: Sandbox, app: App, data: dict[str, Any]) -> list[dict[str, Any]]:
    given = a_list(data, "events")
    if not 1 <= len(given) <= MAX_EVENTS or not all(isinstance(event, dict) for event in given):
        raise invalid(f"events must be 1 to {MAX_EVENTS} objects")
    now = int(sandbox.now() * 1000)
    events = [_filled(sandbox, app, event, number=number, now=now) for number, event in enumerate(given, 1)]
    if data.get("shuffle") is True:
        events.reverse()  # the order of delivery is not that of events, and the same at every run
    return events


def _filled(sandbox: Sandbox, app: App, event: dict[str, Any], *, number: int, now: int) -> dict[str, Any]:
    defaults = {
        "eventId": number,
        "subscriptionId": 10_000 + app.app_id % 1000,
        "portalId": next(iter(sandbox.state.accounts), 0),
        "appId": app.app_id,
        "occurredAt": now,
        "subscriptionType": "contact.creation",
        "attemptNumber": 0,
        "objectId": 100 + number,
        "changeSource": "CRM",
        "changeFlag": "NEW",
    }
    return defaults | event


def _encoded(events: list[dict[str, Any]], attempt: int) -> bytes:
    if attempt:
        events = [event | {"attemptNumber": attempt} for event in events]
    return json.dumps(events, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")


def _headers(
    sandbox: Sandbox, app: App, version: str, *, data: dict[str, Any], body: bytes
) -> dict[str, str]:
    """v1 alone, v2 alone, or v3 beside the older v1, as subscriptions carry it."""
    uri = a_text(data, "signedUrl", default=data["url"]).partition("#")[0]
    moment = int(sandbox.now() * 1000) - (STALE_MILLISECONDS if data.get("stale") is True else 0)
    secret = app.client_secret
    headers = {"Content-Type": "application/json", "User-Agent": "HubSpot Connect 2.0"}
    headers["X-HubSpot-Request-Timestamp"] = str(moment)
    if version == "v2":
        headers["X-HubSpot-Signature"] = signatures.v2(secret, "POST", uri, body)
        headers["X-HubSpot-Signature-Version"] = "v2"
        return headers
    headers["X-HubSpot-Signature"] = signatures.v1(secret, body)
    headers["X-HubSpot-Signature-Version"] = "v1"
    if version == "v3":
        headers["X-HubSpot-Signature-v3"] = signatures.v3(secret, "POST", uri, body, timestamp=str(moment))
    return headers


async def _post(url: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=DELIVERY_TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(URL(url, encoded=True), data=body, headers=headers, allow_redirects=False) as reply,
        ):
            return {"status": reply.status}
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return {"status": 0, "error": type(error).__name__}
