"""What a token is, and ending it: introspect, revoke, and the legacy metadata paths of v1."""

import base64
import hashlib
from typing import Any

from aiohttp import web

from sandbox import grants
from sandbox.errors import OAuthError, refuse
from sandbox.routing import Route
from sandbox.state import AccessToken, Account, App, RefreshToken
from sandbox.tokens import form_of
from sandbox.wire import Call, empty_reply, json_reply
from sandbox.world import Sandbox

VERSIONS = ("v3", "2026-03", "2026-09")


async def introspect(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """200 in any case of a known client: what is unknown or over is {"active": false}."""
    app, token, hint = _asked(sandbox, call)
    payload = None
    if hint != "refresh_token":
        payload = _access_facts(sandbox, app, token)
    payload = payload or _refresh_facts(sandbox, app, token) or _access_facts(sandbox, app, token)
    return json_reply(payload or {"active": False})


async def revoke(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """200 without content, also for a token that is already gone (RFC 7009 section 2.2)."""
    app, token, _ = _asked(sandbox, call)
    refresh, access = sandbox.state.refresh_tokens.get(token), sandbox.state.access_tokens.get(token)
    if refresh is not None and refresh.client_id == app.client_id:
        del sandbox.state.refresh_tokens[token]
    if access is not None and access.client_id == app.client_id:
        del sandbox.state.access_tokens[token]
    sandbox.touch()
    return empty_reply(200)


def _asked(sandbox: Sandbox, call: Call) -> tuple[App, str, str]:
    version = call.segments[1]
    form = form_of(call, version)
    app = grants.client(sandbox, form, version)
    # HubSpot's prose names the field after its type, its specification calls it `token`.
    token = form.get("token") or form.get("access_token") or form.get("refresh_token") or ""
    if not token:
        raise OAuthError("BAD_TOKEN", version)
    return app, token, form.get("token_type_hint", "")


def _access_facts(sandbox: Sandbox, app: App, text: str) -> dict[str, Any] | None:
    token = sandbox.state.access_tokens.get(text)
    account = _account(sandbox, token)
    if (
        token is None
        or account is None
        or token.client_id != app.client_id
        or token.expires_at <= sandbox.now()
    ):
        return None
    return {
        "active": True,
        "token": token.token,
        **_owner(app, account),
        "scopes": token.scopes,
        "signed_access_token": signed_access_token(app, account, token),
        "expires_in": int(token.expires_at - sandbox.now()),
        "is_private_distribution": False,
        "token_use": "access_token",
        "token_type": "Bearer",
    }


def _refresh_facts(sandbox: Sandbox, app: App, text: str) -> dict[str, Any] | None:
    token = sandbox.state.refresh_tokens.get(text)
    account = _account(sandbox, token)
    if token is None or account is None or token.client_id != app.client_id or _is_over(sandbox, token):
        return None
    return {
        "active": True,
        "token": token.token,
        **_owner(app, account),
        "scopes": token.scopes,
        "token_use": "refresh_token",
        "token_type": "Bearer",
    }


def _is_over(sandbox: Sandbox, token: RefreshToken) -> bool:
    rotated_at = token.rotated_at
    return rotated_at is not None and sandbox.now() - rotated_at >= sandbox.behaviour.refreshGraceSeconds


def _account(sandbox: Sandbox, token: AccessToken | RefreshToken | None) -> Account | None:
    if token is None or token.hub_id is None:
        return None
    account = sandbox.state.accounts.get(token.hub_id)
    return None if account is None or account.is_deleted else account


def _owner(app: App, account: Account) -> dict[str, Any]:
    return {
        "hub_id": account.hub_id,
        "user_id": account.user_id,
        "client_id": app.client_id,
        "app_id": app.app_id,
        "user": account.user,
        "hub_domain": account.domain,
    }


def signed_access_token(app: App, account: Account, token: AccessToken) -> dict[str, Any]:
    """The inner facts that HubSpot repeats in its metadata; the signatures are opaque filler."""
    digest = base64.b64encode(hashlib.sha256(token.token.encode()).digest()).decode()
    return {
        "expiresAt": int(token.expires_at * 1000),
        "scopes": "AAEAAAAQ==",
        "hubId": account.hub_id,
        "userId": account.user_id,
        "appId": app.app_id,
        "signature": digest[:28],
        "scopeToScopeGroupPks": "AAAAAQAAAAAAAA==",
        "newSignature": digest,
        "hublet": account.hublet,
        "trialScopes": "",
        "trialScopeToScopeGroupPks": "",
        "isUserLevel": False,
        "appInstallId": f"{app.app_id}-{account.hub_id}",
        "audience": "PUBLIC",
        "installingUserId": account.user_id,
        "isPrivateDistribution": False,
        "isServiceAccount": False,
    }


async def legacy_access_token(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /oauth/v1/access-tokens/{token}; the token is the credential."""
    token = sandbox.state.access_tokens.get(call.params["token"])
    account = _account(sandbox, token)
    if token is None or account is None or token.expires_at <= sandbox.now():
        raise refuse(404, "missing or unknown access token", category="OBJECT_NOT_FOUND")
    app = sandbox.state.apps[token.client_id]
    return json_reply(
        {
            "token": token.token,
            "user": account.user,
            "hub_domain": account.domain,
            "scopes": token.scopes,
            "signed_access_token": signed_access_token(app, account, token),
            "hub_id": account.hub_id,
            "app_id": app.app_id,
            "expires_in": int(token.expires_at - sandbox.now()),
            "user_id": account.user_id,
            "token_type": "access",
            "is_private_distribution": False,
        }
    )


async def legacy_refresh_token(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /oauth/v1/refresh-tokens/{token}."""
    token = sandbox.state.refresh_tokens.get(call.params["token"])
    account = _account(sandbox, token)
    if token is None or account is None or _is_over(sandbox, token):
        raise refuse(404, "missing or unknown refresh token", category="OBJECT_NOT_FOUND")
    return json_reply(
        {
            "token": token.token,
            "client_id": token.client_id,
            "user": account.user,
            "hub_domain": account.domain,
            "scopes": token.scopes,
            "hub_id": account.hub_id,
            "user_id": account.user_id,
            "token_type": "refresh",
        }
    )


async def delete_refresh_token(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """DELETE /oauth/v1/refresh-tokens/{token}: 204; issued access tokens go on working."""
    if sandbox.state.refresh_tokens.pop(call.params["token"], None) is None:
        raise refuse(404, "missing or unknown refresh token", category="OBJECT_NOT_FOUND")
    sandbox.touch()
    return empty_reply()


ROUTES = [
    *(Route("POST", f"/oauth/{version}/token/introspect", introspect) for version in VERSIONS),
    *(Route("POST", f"/oauth/{version}/token/revoke", revoke) for version in VERSIONS),
    Route("GET", "/oauth/v1/access-tokens/{token}", legacy_access_token),
    Route("GET", "/oauth/v1/refresh-tokens/{token}", legacy_refresh_token),
    Route("DELETE", "/oauth/v1/refresh-tokens/{token}", delete_refresh_token),
]
