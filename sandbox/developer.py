"""The developer pages, /developer/apps: what an operator sees at HubSpot when registering an app."""

from html import escape
from urllib.parse import quote

from aiohttp import web

from sandbox import apps, pages, scopes
from sandbox.routing import Route
from sandbox.state import App
from sandbox.wire import FORM_TYPE, Call
from sandbox.world import Sandbox


async def index(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """All apps, and the form that makes one."""
    return _index(sandbox)


def _index(sandbox: Sandbox, problem: str | None = None) -> web.Response:
    rows = "".join(
        f'<tr><td><a href="{_path(app)}">{escape(app.name)}</a></td>'
        f"<td><code>{escape(app.client_id)}</code></td><td>{app.app_id}</td></tr>"
        for app in sandbox.state.apps.values()
    )
    table = f"<table><tr><th>Name</th><th>Client ID</th><th>App ID</th></tr>{rows}</table>"
    return pages.page(
        "Apps",
        pages.paragraph(problem, kind="problem") if problem else "",
        table if rows else pages.paragraph("There is no app yet."),
        '<h2>Make an app</h2><form method="post" action="/developer/apps">'
        '<label>App name <input type="text" name="name" required maxlength="200"></label>'
        '<div class="actions"><button class="main">Create app</button></div></form>',
        status=400 if problem else 200,
    )


async def create(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """Make an app with the name of the form."""
    name = _field(call, "name")
    if not name or len(name) > 200:
        return _index(sandbox, "Give the app a name of at most 200 characters.")
    return _to(_path(apps.create(sandbox, name)))


async def show(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """One app: credentials, redirect URLs, scopes, install URL."""
    app = sandbox.state.apps.get(call.params["clientId"])
    return _app_page(call, app) if app else _no_app()


async def change_redirect_urls(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """Register or remove one redirect URL."""
    app = sandbox.state.apps.get(call.params["clientId"])
    if app is None:
        return _no_app()
    removed, added = _field(call, "remove"), _field(call, "redirectUrl")
    if removed:
        app.redirect_urls = [url for url in app.redirect_urls if url != removed]
    else:
        problem = apps.redirect_url_problem(added) if added else "Enter a redirect URL."
        if problem:
            return _app_page(call, app, problem=problem, entered=added)
        app.redirect_urls = list(dict.fromkeys([*app.redirect_urls, added]))
    sandbox.touch()
    return _to(_path(app) + "#redirect-urls")


async def change_scopes(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """Take over the ticks; a scope ticked as both is required."""
    app = sandbox.state.apps.get(call.params["clientId"])
    if app is None:
        return _no_app()
    ticked = call.form_pairs() if call.content_type == FORM_TYPE else []
    required = [value for name, value in ticked if name == "scope"]
    optional = [value for name, value in ticked if name == "optionalScope"]
    for name in (*required, *optional):
        if problem := apps.scope_problem(name):
            return _app_page(call, app, problem=problem)
    app.scopes = scopes.ordered(required)
    app.optional_scopes = [name for name in dict.fromkeys(optional) if name not in app.scopes]
    sandbox.touch()
    return _to(_path(app) + "#scopes")


async def style(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """The style sheet of all pages."""
    return pages.style()


def _app_page(call: Call, app: App, *, problem: str | None = None, entered: str = "") -> web.Response:
    return pages.page(
        app.name,
        pages.paragraph(problem, kind="problem") if problem else "",
        '<p><a href="/developer/apps">All apps</a></p>',
        _credentials(app),
        _redirect_urls(app, entered),
        _install(call, app),
        _scopes(app),
        status=400 if problem else 200,
    )


def _credentials(app: App) -> str:
    rows = (("Client ID", app.client_id), ("Client Secret", app.client_secret), ("App ID", str(app.app_id)))
    fields = "".join(
        f'<label>{label} <input type="text" readonly id="{label.lower().replace(" ", "-")}" '
        f'value="{escape(value)}"></label>'
        for label, value in rows
    )
    return f"<h2>Credentials</h2>{fields}"


def _redirect_urls(app: App, entered: str) -> str:
    action = _path(app) + "/redirect-urls"
    rows = "".join(
        f'<form method="post" action="{action}" class="inline"><code>{escape(url)}</code>'
        f'<input type="hidden" name="remove" value="{escape(url)}"><button>Remove</button></form>'
        for url in app.redirect_urls
    )
    return (
        f'<h2 id="redirect-urls">Redirect URLs</h2>{rows or "<p>None is registered.</p>"}'
        f'<form method="post" action="{action}"><label>Add a redirect URL '
        f'<input type="text" name="redirectUrl" inputmode="url" value="{escape(entered)}" '
        'placeholder="https://platform.example.com/oauth/hubspot/callback"></label>'
        '<p class="hint">https, or http://localhost with any port. The host is a name, not an IP address.</p>'
        '<div class="actions"><button class="main">Add redirect URL</button></div></form>'
    )


def _install(call: Call, app: App) -> str:
    url = apps.install_url(app, f"http://{call.host}")
    if url is None:
        return "<h2>Install URL</h2><p>Register a redirect URL first.</p>"
    return (
        f"<h2>Install URL</h2><p><code>{escape(url)}</code></p><p>"
        f'<a href="{escape(url)}">Open the install URL</a> '
        '<span class="hint">It carries no state, as an install that is started at HubSpot.</span></p>'
    )


def _scopes(app: App) -> str:
    known = scopes.catalogue()
    named = dict.fromkeys([*app.scopes, *app.optional_scopes, *known])
    rows = []
    for name in named:
        scope = known.get(name)
        is_base = name == "oauth"

        def box(field: str, chosen: list[str], name: str = name, is_base: bool = is_base) -> str:
            ticked = " checked" if name in chosen else ""
            fixed = " disabled" if is_base else ""
            label = "required" if field == "scope" else "optional"
            return (
                f'<input type="checkbox" name="{field}" value="{escape(name)}"{ticked}{fixed} '
                f'aria-label="{escape(name)} {label}">'
            )

        rows.append(
            f"<tr><td>{box('scope', app.scopes)}</td><td>{box('optionalScope', app.optional_scopes)}</td>"
            f"<td><code>{escape(name)}</code></td><td>{escape(scope.meaning if scope else '')}</td>"
            f"<td>{escape(scope.tier if scope else '')}</td></tr>"
        )
    return (
        f'<h2 id="scopes">Scopes</h2><form method="post" action="{_path(app)}/scopes">'
        '<div class="actions"><button class="main">Save scopes</button></div><div class="scroll"><table>'
        "<tr><th>Required</th><th>Optional</th><th>Scope</th><th>Meaning</th><th>Account tier</th></tr>"
        f"{''.join(rows)}</table></div></form>"
    )


def _path(app: App) -> str:
    return f"/developer/apps/{quote(app.client_id, safe='')}"


def _no_app() -> web.Response:
    return pages.dead_end("App not found", "There is no app of this client ID.", status=404)


def _field(call: Call, name: str) -> str:
    return call.form().get(name, "").strip() if call.content_type == FORM_TYPE else ""


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


ROUTES = [
    Route("GET", "/developer", index),
    Route("GET", "/developer/apps", index),
    Route("POST", "/developer/apps", create),
    Route("GET", "/developer/style.css", style),
    Route("GET", "/developer/apps/{clientId}", show),
    Route("POST", "/developer/apps/{clientId}/redirect-urls", change_redirect_urls),
    Route("POST", "/developer/apps/{clientId}/scopes", change_scopes),
]
