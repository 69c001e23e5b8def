"""Drives the sandbox's consent page and token endpoint as a browser and a platform would."""

from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import requests

from sandbox.testing import RunningSandbox

STARTER, ENTERPRISE, EU, DEVELOPER = 62515, 1512050, 147852369, 8021377
REDIRECT_URL = "http://localhost:8000/oauth/hbdev/callback"
SCOPES = [
    "oauth",
    *(
        f"crm.objects.{kind}.{verb}"
        for kind in ("contacts", "companies", "deals")
        for verb in ("read", "write")
    ),
]
App = dict[str, Any]


def authorize_url(
    sandbox: RunningSandbox, app: App, *, portal: int | None = None, **changes: str | None
) -> str:
    """The install URL; a change of None leaves the parameter out."""
    fields: dict[str, str | None] = {
        "client_id": app["clientId"],
        "redirect_uri": app["redirectUrls"][0] if app["redirectUrls"] else REDIRECT_URL,
        "scope": " ".join(app["scopes"]),
        "state": "s t&=ä",
    }
    query = {name: value for name, value in (fields | changes).items() if value is not None}
    path = f"/oauth/{portal}/authorize" if portal else "/oauth/authorize"
    return f"{sandbox.url}{path}?{urlencode(query, quote_via=quote)}"


def decide(url: str, *, decision: str = "allow", hub_id: int = STARTER) -> requests.Response:
    """Press a button of the consent page; redirects are not followed."""
    fields = {"hubId": str(hub_id), "decision": decision}
    return requests.post(url, data=fields, allow_redirects=False, timeout=10)


def returned(response: requests.Response) -> dict[str, str]:
    """The query that the browser was sent back with."""
    assert response.status_code == 302, response.text
    query = parse_qs(urlsplit(response.headers["Location"]).query, keep_blank_values=True)
    return {name: values[0] for name, values in query.items()}


def code_for(sandbox: RunningSandbox, app: App, *, hub_id: int = STARTER, **changes: str | None) -> str:
    """An authorization code after consent."""
    return returned(decide(authorize_url(sandbox, app, **changes), hub_id=hub_id))["code"]


def token(
    sandbox: RunningSandbox, app: App, *, version: str = "2026-09", **fields: str | None
) -> requests.Response:
    """POST to the token endpoint with the app's credentials; a field of None is left out."""
    form: dict[str, str | None] = {"client_id": app["clientId"], "client_secret": app["clientSecret"]}
    data = {name: value for name, value in (form | fields).items() if value is not None}
    return requests.post(f"{sandbox.url}/oauth/{version}/token", data=data, timeout=10)


def exchange(sandbox: RunningSandbox, app: App, code: str, **fields: str | None) -> requests.Response:
    """Redeem a code."""
    base: dict[str, str | None] = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": app["redirectUrls"][0],
    }  # fmt: skip
    return token(sandbox, app, **(base | fields))


def refresh(sandbox: RunningSandbox, app: App, refresh_token: str, **fields: str | None) -> requests.Response:
    """Refresh a grant."""
    return token(sandbox, app, grant_type="refresh_token", refresh_token=refresh_token, **fields)
