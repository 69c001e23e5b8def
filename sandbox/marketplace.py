"""An install that starts at HubSpot's marketplace, in its four steps.

1. The Install button sends the browser to the app's redirect URL with step=authorize and returnUrl, without a code.
2. The app signs its user in, appends its own state to returnUrl and sends the browser there.
3. HubSpot sends it to the redirect URL again with step=finalize, code and state.
4. After the exchange the app sends the browser to returnUrl once more, which shows that all is done.

returnUrl lies on HubSpot's own host, so that the app can check it; what plays a browser maps that host here.
Seen in public reports, not documented.
"""

from urllib.parse import quote, urlencode

from aiohttp import web

from sandbox import grants, pages, scopes
from sandbox.routing import Route
from sandbox.state import Account, App
from sandbox.wire import Call
from sandbox.world import Sandbox


async def install(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /marketplace/{hubId}/install/{clientId}: step 1."""
    found = _found(sandbox, call)
    if isinstance(found, web.Response):
        return found
    app, account = found
    return _to(app, {"step": "authorize", "returnUrl": _return_url(app, account)})


async def come_back(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /marketplace/{hubId}/return/{clientId}: step 3 when a state was appended, else step 4."""
    found = _found(sandbox, call)
    if isinstance(found, web.Response):
        return found
    app, account = found
    state = call.first("state")
    if state is None:
        tokens = sandbox.state.refresh_tokens.values()
        if any(row.client_id == app.client_id and row.hub_id == account.hub_id for row in tokens):
            done = pages.paragraph(f"{app.name} is connected to {account.name}.")
            return pages.page("App installed", done, narrow=True)
        return pages.dead_end("The install is not finished", "The app has not exchanged its code.")
    granted = [name for name in [*app.scopes, *app.optional_scopes] if scopes.is_within(name, account.tier)]
    redirect_uri = app.redirect_urls[0]
    code = grants.issue_code(
        sandbox, app, account, redirect_uri=redirect_uri, scopes=granted, code_challenge=None
    )
    values = {"step": "finalize", "code": code.code, "state": state}
    return _to(app, {**values, "returnUrl": _return_url(app, account)})


def _found(sandbox: Sandbox, call: Call) -> tuple[App, Account] | web.Response:
    app = sandbox.state.apps.get(call.params["clientId"])
    text = call.params["hubId"]
    is_number = text.isascii() and text.isdigit() and len(text) <= 12
    account = sandbox.state.accounts.get(int(text)) if is_number else None
    if app is None or account is None or account.is_deleted or not app.redirect_urls:
        return pages.dead_end("This install link is no longer valid", "Ask the app's maker for another one.")
    lacking = [name for name in app.scopes if not scopes.is_within(name, account.tier)]
    if lacking:
        return pages.dead_end(
            "This app cannot be installed in the account",
            "The account does not have access to the scopes that the app requires.",
            pages.code_list("Scopes the account lacks", lacking),
        )
    return app, account


def _return_url(app: App, account: Account) -> str:
    return f"https://{account.ui_domain}/marketplace/{account.hub_id}/return/{quote(app.client_id, safe='')}"


def _to(app: App, values: dict[str, str]) -> web.Response:
    redirect_uri = app.redirect_urls[0]
    joint = "&" if "?" in redirect_uri else "?"
    location = redirect_uri + joint + urlencode(values, quote_via=quote)
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})


ROUTES = [
    Route("GET", "/marketplace/{hubId}/install/{clientId}", install),
    Route("GET", "/marketplace/{hubId}/return/{clientId}", come_back),
]
