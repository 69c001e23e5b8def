"""The consent page, /oauth/authorize and /oauth/{portalId}/authorize.

HubSpot never sends a broken request back to the app: each error ends on a page of its own.
"""

from dataclasses import dataclass
from html import escape
from urllib.parse import quote, urlencode

from aiohttp import web

from sandbox import grants, pages, scopes
from sandbox.routing import Route
from sandbox.state import Account, App
from sandbox.wire import FORM_TYPE, Call
from sandbox.world import Sandbox


class DeadEnd(Exception):
    """The request cannot go on; `reply` is the page that says why."""

    def __init__(self, reply: web.Response) -> None:
        super().__init__("the authorize request was refused")
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Request:
    """A valid authorize request."""

    app: App
    redirect_uri: str
    scopes: list[str]
    optional_scopes: list[str]
    state: str | None
    code_challenge: str | None
    portal_id: int | None


async def show(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """The consent page, or the page that says what is wrong with the request."""
    try:
        request = _validated(sandbox, call)
        if request.portal_id is not None:
            _check_tier(_account(sandbox, str(request.portal_id)), request)
    except DeadEnd as end:
        return end.reply
    return _consent_page(sandbox, call, request)


async def decide(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """What the customer pressed: back to the app with a code, or declined."""
    try:
        request = _validated(sandbox, call)
        form = call.form() if call.content_type == FORM_TYPE else {}
        decision = form.get("decision", "")
        if decision == "deny":
            return _declined(sandbox, request)
        if decision != "allow":
            raise DeadEnd(pages.dead_end("Nothing was decided", "Choose to connect the app or to cancel."))
        account = _account(sandbox, form.get("hubId", ""))
        if request.portal_id not in (None, account.hub_id):
            raise DeadEnd(pages.dead_end("Wrong account", "This link is for another account."))
        _check_tier(account, request)
    except DeadEnd as end:
        return end.reply
    optional = [name for name in request.optional_scopes if scopes.is_within(name, account.tier)]
    code = grants.issue_code(
        sandbox,
        request.app,
        account,
        redirect_uri=request.redirect_uri,
        scopes=list(dict.fromkeys([*request.scopes, *optional])),
        code_challenge=request.code_challenge,
    )
    return _back(request, {"code": code.code})


def _validated(sandbox: Sandbox, call: Call) -> Request:
    app = sandbox.state.apps.get(call.first("client_id") or "")
    if app is None:
        raise DeadEnd(
            pages.dead_end(
                "This app could not be found",
                "Invalid client_id: no app has this client ID. Check the install URL.",
                pages.code_list("Client ID that was sent", [call.first("client_id") or ""]),
            )
        )
    redirect_uri = call.first("redirect_uri") or ""
    if redirect_uri not in app.redirect_urls:
        raise DeadEnd(
            pages.dead_end(
                "Redirect URL mismatch",
                "The redirect URL of this request does not match one that is registered for the app. "
                "The comparison is exact: scheme, host, port, path and trailing slash.",
                pages.code_list("Redirect URL that was sent", [redirect_uri]),
                pages.code_list("Registered redirect URLs", app.redirect_urls),
            )
        )
    wanted = scopes.split(call.first("scope") or "")
    # The name on the wire is optional_scope; HubSpot's prose once says optional_scopes.
    optional = scopes.split(call.first("optional_scope") or call.first("optional_scopes") or "")
    _check_scopes(app, wanted, optional)
    portal = call.params.get("portalId")
    return Request(
        app=app,
        redirect_uri=redirect_uri,
        scopes=wanted,
        optional_scopes=optional,
        state=call.first("state"),
        code_challenge=_code_challenge(call),
        portal_id=_account(sandbox, portal).hub_id if portal is not None else None,
    )


def _check_scopes(app: App, wanted: list[str], optional: list[str]) -> None:
    missing = [name for name in app.scopes if name not in wanted]
    configured = {*app.scopes, *app.optional_scopes}
    foreign = [name for name in (*wanted, *optional) if name not in configured]
    if missing or foreign:
        raise DeadEnd(
            pages.dead_end(
                "Scope mismatch",
                "Authorization failed because there is a mismatch between the scopes in the install URL and "
                "the app's configured scopes.",
                pages.code_list("Required by the app, missing in the URL", missing),
                pages.code_list("In the URL, not configured on the app", foreign),
            )
        )


def _code_challenge(call: Call) -> str | None:
    challenge = call.first("code_challenge")
    method = call.first("code_challenge_method")
    if challenge is None and method is None:
        return None
    if method != "S256" or not challenge or len(challenge) != 43:
        raise DeadEnd(
            pages.dead_end(
                "Invalid code challenge",
                "code_challenge_method must be S256 and code_challenge its 43 characters.",
            )
        )
    return challenge


def _account(sandbox: Sandbox, text: str) -> Account:
    is_number = text.isascii() and text.isdigit() and len(text) <= 12
    account = sandbox.state.accounts.get(int(text)) if is_number else None
    if account is None or account.is_deleted:
        raise DeadEnd(pages.dead_end("Account not found", "Choose one of the accounts that are listed."))
    return account


def _check_tier(account: Account, request: Request) -> None:
    lacking = [name for name in request.scopes if not scopes.is_within(name, account.tier)]
    if lacking:
        raise DeadEnd(
            pages.dead_end(
                "This app cannot be installed in the account",
                f"The account {account.name} ({account.hub_id}) does not have access to the scopes that the "
                "app requires.",
                pages.code_list("Scopes the account lacks", lacking),
            )
        )


def _declined(sandbox: Sandbox, request: Request) -> web.Response:
    if sandbox.behaviour.declineMode == "silent":
        return pages.page(
            "Not connected",
            pages.paragraph("Nothing was shared with the app. You can close this page."),
            narrow=True,
        )
    return _back(
        request, {"error": "access_denied", "error_description": "The user denied access to the app"}
    )


def _back(request: Request, values: dict[str, str]) -> web.Response:
    """302 to the redirect URL, whose own query is kept; state only when it was sent."""
    if request.state is not None:
        values = {**values, "state": request.state}
    joint = "&" if "?" in request.redirect_uri else "?"
    location = request.redirect_uri + joint + urlencode(values, quote_via=quote)
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})


def _consent_page(sandbox: Sandbox, call: Call, request: Request) -> web.Response:
    known = scopes.catalogue()

    def described(names: list[str]) -> str:
        rows = []
        for name in names:
            meaning = known[name].meaning if name in known else ""
            rows.append(f"<tr><td><code>{escape(name)}</code></td><td>{escape(meaning)}</td></tr>")
        return f"<table>{''.join(rows)}</table>"

    accounts = [row for row in sandbox.state.accounts.values() if not row.is_deleted]
    if request.portal_id is not None:
        accounts = [row for row in accounts if row.hub_id == request.portal_id]
    choices = "".join(
        f'<label class="row"><input type="radio" name="hubId" value="{row.hub_id}"'
        f"{' checked' if index == 0 else ''}>"
        f'<span>{escape(row.name)} <span class="hint">{row.hub_id} · {escape(row.tier)} · '
        f"{escape(row.ui_domain)}</span></span></label>"
        for index, row in enumerate(accounts)
    )
    optional = ""
    if request.optional_scopes:
        optional = "<h2>If the account has the product, also</h2>" + described(request.optional_scopes)
    action = f"{call.raw_path}?{call.raw_query}"
    return pages.page(
        f"Connect {request.app.name}",
        pages.paragraph("Choose the account that the app may reach, and check what it may do there."),
        f'<form method="post" action="{escape(action)}">'
        f"<fieldset><legend>Account</legend>{choices}</fieldset>"
        f"<h2>The app will be able to</h2>{described(request.scopes)}{optional}"
        '<div class="actions"><button class="main" name="decision" value="allow">Connect app</button>'
        '<button name="decision" value="deny">Cancel</button></div></form>',
        narrow=True,
    )


ROUTES = [
    Route("GET", "/oauth/authorize", show),
    Route("POST", "/oauth/authorize", decide),
    Route("GET", "/oauth/{portalId}/authorize", show),
    Route("POST", "/oauth/{portalId}/authorize", decide),
]
