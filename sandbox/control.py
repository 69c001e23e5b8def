"""The control API, /_control/*: switches, faults, what arrived, and what a customer does at HubSpot."""

from typing import Any

from aiohttp import web

from sandbox import accounts, apps, grants, scopes, webhooks
from sandbox.errors import invalid, refuse
from sandbox.faults import Fault
from sandbox.routing import Route
from sandbox.state import Account
from sandbox.wire import Call, a_text, empty_reply, json_reply, texts
from sandbox.world import Sandbox, timestamp


async def state(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /_control/state: apps, accounts, grants and switches; with secrets and tokens."""
    rows = sandbox.state
    return json_reply(
        {
            "apps": [apps.to_json(app) for app in rows.apps.values()],
            "accounts": [_account_json(row) for row in rows.accounts.values()],
            "refreshTokens": [
                {
                    "token": row.token,
                    "clientId": row.client_id,
                    "hubId": row.hub_id,
                    "scopes": row.scopes,
                    "rotated": row.rotated_at is not None,
                }
                for row in rows.refresh_tokens.values()
            ],
            "accessTokens": [
                {
                    "token": row.token,
                    "clientId": row.client_id,
                    "hubId": row.hub_id,
                    "scopes": row.scopes,
                    "expiresAt": timestamp(row.expires_at),
                }
                for row in rows.access_tokens.values()
            ],
            "records": {
                str(hub_id): {kind: len(found) for kind, found in types.items()}
                for hub_id, types in rows.records.items()
            },
            "behaviour": sandbox.behaviour.to_json(),
            "faults": sandbox.faults.to_json(),
        }
    )


def _account_json(account: Account) -> dict[str, Any]:
    return {
        "hubId": account.hub_id,
        "name": account.name,
        "tier": account.tier,
        "accountType": account.account_type,
        "hublet": account.hublet,
        "uiDomain": account.ui_domain,
        "isDeleted": account.is_deleted,
    }


async def behaviour(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """PATCH /_control/behaviour: the switches after the change."""
    sandbox.behaviour.change(call.json_object())
    return json_reply(sandbox.behaviour.to_json())


async def add_fault(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_control/faults: 201 with what waits now."""
    sandbox.faults.add(Fault.from_json(call.json_object()))
    return json_reply({"faults": sandbox.faults.to_json()}, status=201)


async def clear_faults(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """DELETE /_control/faults: none waits any more."""
    sandbox.faults.clear()
    return empty_reply()


async def requests(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /_control/requests[?path=prefix]: what arrived, oldest first."""
    return json_reply(sandbox.arrivals.under(call.first("path") or ""))


async def make_app(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_control/apps: 201 with the app."""
    return json_reply(apps.to_json(apps.create_from_json(sandbox, call.json_object())), status=201)


async def revoke(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_control/revoke {"hubId", "clientId"?}: refresh tokens end, access tokens run out."""
    data = call.json_object()
    hub_id = _account(sandbox, data).hub_id
    return json_reply({"revoked": grants.revoke(sandbox, hub_id, client_id=_client_id(data))})


async def uninstall(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_control/uninstall {"hubId", "clientId"?}: every token of the account ends at once."""
    data = call.json_object()
    hub_id = _account(sandbox, data).hub_id
    return json_reply({"revoked": grants.uninstall(sandbox, hub_id, client_id=_client_id(data))})


async def delete_account(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_control/delete-account {"hubId"}: the account is gone (BAD_HUB) until /reset."""
    _account(sandbox, call.json_object()).is_deleted = True
    sandbox.touch()
    return empty_reply()


async def open_account(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_control/accounts {"hubId", "name"?, "tier"?}: 201, one more account with its own records."""
    data = call.json_object()
    hub_id, tier = data.get("hubId"), data.get("tier", "enterprise")
    if not isinstance(hub_id, int) or isinstance(hub_id, bool) or not 0 < hub_id < 2**31:
        raise invalid("hubId must be a positive 32 bit integer")
    if hub_id in sandbox.state.accounts:
        raise refuse(409, "the account exists", category="CONFLICT")
    if tier not in scopes.TIERS:
        raise invalid(f"tier must be one of {', '.join(scopes.TIERS)}")
    name = a_text(data, "name", default=f"Account {hub_id}")
    account = Account(hub_id, name, tier=tier, domain=f"a{hub_id}.example", user=f"admin@a{hub_id}.example")
    accounts.add(sandbox.state, account, sandbox.now())
    sandbox.touch()
    return json_reply(_account_json(account), status=201)


async def grant(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_control/grants {"clientId", "hubId", "scopes"?}: 201, as if the customer had consented."""
    data = call.json_object()
    app = sandbox.state.apps.get(a_text(data, "clientId"))
    if app is None:
        raise refuse(404, "no app has this clientId", category="OBJECT_NOT_FOUND")
    wanted = texts(data, "scopes") or app.scopes
    issued = grants.grant(sandbox, app, _account(sandbox, data), scopes=wanted)
    assert issued.refresh is not None
    payload = {
        "accessToken": issued.access.token,
        "refreshToken": issued.refresh.token,
        "expiresAt": timestamp(issued.access.expires_at),
        "scopes": wanted,
    }
    return json_reply(payload, status=201)


async def reset(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_control/reset: back to the start; apps are kept."""
    sandbox.reset()
    sandbox.touch()
    return empty_reply()


async def send_webhooks(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /_control/webhooks: 200 {"status": what the URL answered}."""
    return json_reply(await webhooks.send(sandbox, call.json_object()))


def _account(sandbox: Sandbox, data: dict[str, Any]) -> Account:
    hub_id = data.get("hubId")
    if isinstance(hub_id, str) and hub_id.isascii() and hub_id.isdigit() and len(hub_id) <= 12:
        hub_id = int(hub_id)
    if not isinstance(hub_id, int) or isinstance(hub_id, bool):
        raise invalid("hubId must be the number of an account")
    account = sandbox.state.accounts.get(hub_id)
    if account is None:
        raise refuse(404, f"no account has the hubId {hub_id}", category="OBJECT_NOT_FOUND")
    return account


def _client_id(data: dict[str, Any]) -> str | None:
    return a_text(data, "clientId") if data.get("clientId") is not None else None


ROUTES = [
    Route("GET", "/_control/state", state),
    Route("PATCH", "/_control/behaviour", behaviour),
    Route("POST", "/_control/faults", add_fault),
    Route("DELETE", "/_control/faults", clear_faults),
    Route("GET", "/_control/requests", requests),
    Route("POST", "/_control/apps", make_app),
    Route("POST", "/_control/accounts", open_account),
    Route("POST", "/_control/grants", grant),
    Route("POST", "/_control/revoke", revoke),
    Route("POST", "/_control/uninstall", uninstall),
    Route("POST", "/_control/delete-account", delete_account),
    Route("POST", "/_control/reset", reset),
    Route("POST", "/_control/webhooks", send_webhooks),
]
