"""Facts about the account behind a token, and uninstalling the app from it."""

from aiohttp import web

from sandbox import grants
from sandbox.access import admit, bearer
from sandbox.routing import Route
from sandbox.wire import Call, empty_reply, json_reply
from sandbox.world import Sandbox

VERSIONS = ("v3", "2026-03", "2026-09")


async def details(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /account-info/{version}/details."""
    account = admit(sandbox, call, ["oauth"])
    sign = -1 if account.utc_offset.startswith("-") else 1
    hours, _, minutes = account.utc_offset[1:].partition(":")
    return json_reply(
        {
            "portalId": account.hub_id,
            "accountType": account.account_type,
            "timeZone": account.time_zone,
            "companyCurrency": account.currency,
            "additionalCurrencies": [],
            "utcOffset": account.utc_offset,
            "utcOffsetMilliseconds": sign * (int(hours) * 60 + int(minutes)) * 60_000,
            "uiDomain": account.ui_domain,
            "dataHostingLocation": account.hublet,
        }
    )


async def api_usage(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET …/api-usage/daily/private-apps: empty, since the sandbox has no private apps."""
    admit(sandbox, call, ["oauth"])
    return json_reply({"results": []})


async def uninstall(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """DELETE /appinstalls/{version}/external-install: the app leaves the account; its tokens die."""
    account = admit(sandbox, call, ["oauth"])
    grants.uninstall(sandbox, account.hub_id, client_id=bearer(sandbox, call).client_id)
    return empty_reply()


ROUTES = [
    *(Route("GET", f"/account-info/{version}/details", details) for version in VERSIONS),
    *(
        Route("GET", f"/account-info/{version}/api-usage/daily/private-apps", api_usage)
        for version in VERSIONS
    ),
    *(Route("DELETE", f"/appinstalls/{version}/external-install", uninstall) for version in VERSIONS),
]
