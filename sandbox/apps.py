"""Apps: made, changed, and the rules for their redirect URLs and scopes."""

import ipaddress
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from sandbox import scopes as scope_names
from sandbox.errors import invalid
from sandbox.state import App
from sandbox.wire import texts
from sandbox.world import Sandbox

_SCOPE = re.compile(r"[A-Za-z][A-Za-z0-9_]*([.\-][A-Za-z0-9_\-]+)*")
_MEMBERS = {"name", "clientId", "clientSecret", "appId", "redirectUrls", "scopes", "optionalScopes"}


def redirect_url_problem(url: str) -> str | None:
    """Why HubSpot would not register this redirect URL, or None.

    https, or http for localhost alone; the host is a name, not an address; no fragment, no userinfo.
    """
    if not url.isascii() or any(char.isspace() or ord(char) < 32 for char in url):
        return "A redirect URL is plain ASCII without spaces."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "This is not a URL."
    if not host:
        return "A redirect URL starts with https:// and a host name."
    if parts.fragment or "#" in url or "@" in parts.netloc:
        return "A redirect URL has no fragment and no user name."
    if parts.scheme == "http" and host == "localhost":
        return None
    if parts.scheme != "https":
        return "A redirect URL starts with https://, except http://localhost for development."
    if _is_address(host):
        return "The host of a redirect URL is a name, not an IP address."
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.replace(".", "").isdigit()
    return True


def scope_problem(name: str) -> str | None:
    """Why this can be no scope, or None. Names outside the list are taken."""
    return None if len(name) <= 200 and _SCOPE.fullmatch(name) else f"{name!r} is no scope."


def create_from_json(sandbox: Sandbox, data: Mapping[str, Any]) -> App:
    """The app that POST /_control/apps describes. Raises SandboxError (400)."""
    unknown = set(data) - _MEMBERS
    if unknown:
        raise invalid(f"unknown member {sorted(unknown)[0]!r}; known are {', '.join(sorted(_MEMBERS))}")
    plain = {name: _optional_text(data, name) for name in ("name", "clientId", "clientSecret")}
    app_id = data.get("appId")
    if app_id is not None and (
        not isinstance(app_id, int) or isinstance(app_id, bool) or not 0 < app_id < 2**31
    ):
        raise invalid("appId must be a positive 32 bit integer")
    redirect_urls = texts(data, "redirectUrls")
    for url in redirect_urls:
        if problem := redirect_url_problem(url):
            raise invalid(f"redirectUrls: {problem}")
    required, optional = texts(data, "scopes"), texts(data, "optionalScopes")
    for name in (*required, *optional):
        if problem := scope_problem(name):
            raise invalid(f"scopes: {problem}")
    return create(
        sandbox,
        plain["name"] or "Untitled app",
        client_id=plain["clientId"],
        client_secret=plain["clientSecret"],
        app_id=app_id,
        redirect_urls=redirect_urls,
        scopes=required,
        optional_scopes=optional,
    )


def _optional_text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip() or len(value) > 200):
        raise invalid(f"{name} must be a text of 1 to 200 characters")
    return value


def create(
    sandbox: Sandbox,
    name: str,
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    app_id: int | None = None,
    redirect_urls: Sequence[str] = (),
    scopes: Sequence[str] = (),
    optional_scopes: Sequence[str] = (),
) -> App:
    """Make an app, or replace the one of this client id. Absent credentials are drawn at random."""
    required = scope_names.ordered(scopes)
    client_id = client_id or str(uuid.uuid4())
    before = sandbox.state.apps.get(client_id)
    app = App(
        client_id=client_id,
        client_secret=client_secret or (before.client_secret if before else str(uuid.uuid4())),
        app_id=app_id or (before.app_id if before else 1_000_000 + secrets.randbelow(9_000_000)),
        name=name,
        redirect_urls=list(dict.fromkeys(redirect_urls)),
        scopes=required,
        optional_scopes=[item for item in dict.fromkeys(optional_scopes) if item not in required],
    )
    sandbox.state.apps[app.client_id] = app
    sandbox.touch()
    return app


def to_json(app: App) -> dict[str, Any]:
    """The shape of POST /_control/apps."""
    return {
        "clientId": app.client_id,
        "clientSecret": app.client_secret,
        "appId": app.app_id,
        "name": app.name,
        "redirectUrls": app.redirect_urls,
        "scopes": app.scopes,
        "optionalScopes": app.optional_scopes,
    }


def install_url(app: App, base_url: str) -> str | None:
    """The install URL as the developer page shows it, for the first redirect URL."""
    if not app.redirect_urls:
        return None
    query = [
        f"client_id={quote(app.client_id, safe='')}",
        f"redirect_uri={quote(app.redirect_urls[0], safe='')}",
        f"scope={quote(' '.join(app.scopes), safe='')}",
    ]
    if app.optional_scopes:
        query.append(f"optional_scope={quote(' '.join(app.optional_scopes), safe='')}")
    return f"{base_url}/oauth/authorize?{'&'.join(query)}"
