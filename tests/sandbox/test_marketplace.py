"""The install that starts at HubSpot's marketplace."""

import re
from urllib.parse import urlsplit

import requests

from sandbox.testing import RunningSandbox
from tests.sandbox.consent import EU, REDIRECT_URL, STARTER, App, exchange, returned


def _visit(sandbox: RunningSandbox, url: str) -> requests.Response:
    """Open a URL of HubSpot's UI host as a browser whose name resolution leads to the sandbox."""
    parts = urlsplit(url)
    path = f"{sandbox.url}{parts.path}?{parts.query}"
    return requests.get(path, headers={"Host": parts.netloc}, allow_redirects=False, timeout=10)


def test_hs_10_install_from_the_marketplace_takes_four_steps(sandbox: RunningSandbox, app: App) -> None:
    first = _visit(sandbox, f"https://app.hubspot.com/marketplace/{EU}/install/{app['clientId']}")
    assert first.headers["Location"].startswith(REDIRECT_URL)
    step = returned(first)
    assert (set(step), step["step"]) == ({"step", "returnUrl"}, "authorize")
    assert re.match(r"https://app(-[a-z0-9]+)?\.hubspot\.com/", step["returnUrl"])
    assert _visit(sandbox, step["returnUrl"]).status_code == 400
    second = returned(_visit(sandbox, step["returnUrl"] + "?state=mine"))
    assert (second["step"], second["state"], second["returnUrl"]) == ("finalize", "mine", step["returnUrl"])
    assert exchange(sandbox, app, second["code"]).json()["hub_id"] == EU
    assert "App installed" in _visit(sandbox, step["returnUrl"]).text


def test_links_that_lead_nowhere_stay_at_hubspot(sandbox: RunningSandbox, app: App) -> None:
    beyond = sandbox.control(
        "POST", "/_control/apps", {"redirectUrls": [REDIRECT_URL], "scopes": ["crm.objects.custom.read"]}
    )
    for hub_id, client_id in ((EU, "nobody"), ("x", app["clientId"]), (STARTER, beyond["clientId"])):
        reply = _visit(sandbox, f"https://app.hubspot.com/marketplace/{hub_id}/install/{client_id}")
        assert (reply.status_code, "Location" in reply.headers) == (400, False)
