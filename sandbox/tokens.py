"""The token endpoints, /oauth/{v1|v3|2026-03|2026-09}/token."""

import asyncio
import json
from typing import Any

from aiohttp import web

from sandbox import grants, scopes
from sandbox.errors import OAuthError
from sandbox.grants import Issued
from sandbox.routing import Route
from sandbox.wire import FORM_TYPE, Call, json_reply
from sandbox.world import Sandbox

VERSIONS = ("v1", "v3", "2026-03", "2026-09")
QUERY_FIELDS = (
    "client_secret",
    "refresh_token",
    "grant_type",
    "client_id",
    "code",
    "redirect_uri",
    "code_verifier",
)


def form_of(call: Call, version: str) -> dict[str, str]:
    """The form fields; v1 takes them from the query too. Any other content type is refused (OAuthError)."""
    form = {}
    if version == "v1":
        form = {name: value for name, value in call.query if name in QUERY_FIELDS}
    if call.content_type == FORM_TYPE:
        return form | call.form()
    if call.body or not form:
        raise OAuthError("BAD_REQUEST", version)
    return form


async def token(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """Carry the grant out at once and answer after tokenDelaySeconds, as a slow network would."""
    try:
        grant_type, issued = _grant(sandbox, call)
        return _reply(sandbox, grant_type, issued)
    finally:
        await asyncio.sleep(sandbox.behaviour.tokenDelaySeconds)


def _grant(sandbox: Sandbox, call: Call) -> tuple[str, Issued]:
    version = call.segments[1]
    form = form_of(call, version)
    grant_type = form.get("grant_type", "")
    app = grants.client(sandbox, form, version)
    if grant_type == "authorization_code":
        return grant_type, grants.redeem_code(sandbox, app, form, version=version)
    if grant_type == "refresh_token":
        return grant_type, grants.refresh(sandbox, app, form, version=version)
    if grant_type == "client_credentials":
        names = scopes.split(form.get("scope", ""))
        known = scopes.catalogue()
        if not names or any(name not in known or known[name].level != "app" for name in names):
            raise OAuthError("BAD_SCOPES", version)
        return grant_type, grants.app_level(sandbox, app, names)
    raise OAuthError("BAD_GRANT_TYPE", version)


def _reply(sandbox: Sandbox, grant_type: str, issued: Issued) -> web.Response:
    access = issued.access
    seconds = sandbox.behaviour.expiresIn
    payload: dict[str, Any] = {"token_type": "bearer"}
    if issued.refresh is not None:
        payload["refresh_token"] = issued.refresh.token
    payload["access_token"] = access.token
    if access.hub_id is not None:
        payload["hub_id"] = access.hub_id
    payload["scopes"] = access.scopes
    payload["expires_in"] = int(seconds) if seconds == int(seconds) else seconds
    payload["token_use"] = "client_credentials" if issued.refresh is None else "access_token"
    return shaped(payload, sandbox.behaviour.shape, grant_type)


def shaped(payload: dict[str, Any], shape: dict[str, Any], grant_type: str) -> web.Response:
    """The reply with the behaviour `shape` merged over it; the keys that begin with __ steer (README.md)."""
    only_for = shape.get("__grants")
    if isinstance(only_for, list) and grant_type not in only_for:
        shape = {}
    merged = payload | {name: value for name, value in shape.items() if not name.startswith("__")}
    for name in shape.get("__drop", []):
        merged.pop(name, None)
    status = shape.get("__status", 200)
    headers = {"Cache-Control": "no-store"}
    if "__body" in shape:
        body = shape["__body"]
        text = body if isinstance(body, str) else json.dumps(body)
        headers["Content-Type"] = shape.get("__contentType", "application/json;charset=utf-8")
        return web.Response(status=status, body=text.encode(), headers=headers)
    if "__contentType" in shape:
        return json_reply(merged, status=status, headers=headers, content_type=shape["__contentType"])
    return json_reply(merged, status=status, headers=headers)


ROUTES = [Route("POST", f"/oauth/{version}/token", token) for version in VERSIONS]
