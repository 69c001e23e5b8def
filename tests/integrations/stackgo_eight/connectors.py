"""StackGo's eight connectors as their providers document them, and a small provider that plays any of them.

Written down apart from the catalogue, so that a wrong entry fails here.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.provider_server import Answer, ProviderServer, Received

SECRET = "made-up-client-secret-0123456789"
Json = dict[str, Any]


@dataclass(frozen=True)
class Connector:
    """One provider from outside.

    name and raw: what stands in StackGo's paths. config: what staff fill in. account: what a customer chooses
    among several. accounts: the calls that tell the account, and their answers. reading: an address of its API.
    """

    provider: str
    name: str
    raw: str
    client_id: str
    authorize: str
    token: str
    accounts: Mapping[tuple[str, str], Any]
    account_id: str
    reading: str
    scopes: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    typed: Mapping[str, str] = field(default_factory=dict)
    callback: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    token_extras: Mapping[str, Any] = field(default_factory=dict)
    client_goes_in: str = "body"
    is_json: bool = False
    rotates: bool = True
    sends: str = "Authorization"
    sent_headers: Mapping[str, str] = field(default_factory=dict)
    expired: Any = b""
    revocation: tuple[str, str] | None = None
    told_at_the_end: Mapping[str, str] = field(default_factory=dict)


HUBSPOT = Connector(
    provider="hubspot",
    name="hubspot",
    raw="/api/raw/{slug}",
    client_id="7fff1e36-2d40-4ae1-bbb1-5266d59564fb",
    scopes=("crm.objects.contacts.read", "crm.objects.contacts.write"),
    authorize="https://app.hubspot.com/oauth/authorize",
    token="https://api.hubapi.com/oauth/2026-09/token",
    token_extras={"hub_id": 62515},
    rotates=False,
    accounts={
        ("GET", "https://api.hubapi.com/account-info/2026-09/details"): {
            "portalId": 62515,
            "accountType": "STANDARD",
            "uiDomain": "app-eu1.hubspot.com",
            "dataHostingLocation": "eu1",
        },
        ("POST", "https://api.hubapi.com/oauth/2026-09/token/introspect"): {
            "active": True,
            "hub_id": 62515,
            "hub_domain": "meowmix.com",
            "user": "ann@meowmix.com",
        },
    },
    account_id="62515",
    reading="https://api.hubapi.com/crm/v3/objects/contacts?limit=1",
    expired={"status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "The token expired."},
    revocation=("POST", "https://api.hubapi.com/oauth/2026-09/token/revoke"),
    told_at_the_end={"token": "refresh-1", "token_type_hint": "refresh_token"},
)

PIPEDRIVE = Connector(
    provider="pipedrive",
    name="pipedrive",
    raw="/api/raw/{slug}",
    client_id="b4d083d9216986345b32",
    scopes=("base", "deals:full"),
    authorize="https://oauth.pipedrive.com/oauth/authorize",
    token="https://oauth.pipedrive.com/oauth/token",
    token_extras={"api_domain": "https://acme.pipedrive.com", "scope": "base,deals:full"},
    client_goes_in="basic",
    rotates=False,
    accounts={
        ("GET", "https://acme.pipedrive.com/api/v1/users/me"): {
            "success": True,
            "data": {"id": 7, "company_id": 42, "company_name": "Acme", "email": "ann@acme.example"},
        }
    },
    account_id="42",
    reading="https://acme.pipedrive.com/api/v1/deals?start=0",
    expired={"success": False, "error": "unauthorized access", "errorCode": 401},
    revocation=("POST", "https://oauth.pipedrive.com/oauth/revoke"),
    told_at_the_end={"token": "refresh-1", "token_type_hint": "refresh_token"},
)

XERO = Connector(
    provider="xero",
    name="xero",
    raw="/api/raw/xe/{slug}",
    client_id="0123456789ABCDEF0123456789ABCDEF",
    scopes=("accounting.contacts",),
    authorize="https://login.xero.com/identity/connect/authorize",
    token="https://identity.xero.com/connect/token",
    token_extras={"scope": "accounting.contacts offline_access"},
    client_goes_in="basic",
    accounts={
        ("GET", "https://api.xero.com/connections"): [
            {"id": "link-1", "tenantId": "tenant-1", "tenantType": "ORGANISATION", "tenantName": "Acme"},
            {"id": "link-2", "tenantId": "tenant-2", "tenantType": "ORGANISATION", "tenantName": "Meow"},
        ]
    },
    account="tenant-2",
    account_id="tenant-2",
    reading="https://api.xero.com/api.xro/2.0/Contacts",
    sent_headers={"Xero-Tenant-Id": "tenant-2", "Accept": "application/json"},
    expired={"Title": "Unauthorized", "Status": 401, "Detail": "TokenExpired"},
    revocation=("DELETE", "https://api.xero.com/connections/link-2"),
)

SHOPIFY = Connector(
    provider="shopify",
    name="shopify",
    raw="/api/shopify/{slug}",
    client_id="0123456789abcdef0123456789abcdef",
    scopes=("read_products",),
    typed={"shop": "meow-shop"},
    callback={"shop": "meow-shop.myshopify.com", "host": "YWRtaW4", "timestamp": "1764000000"},
    authorize="https://meow-shop.myshopify.com/admin/oauth/authorize",
    token="https://meow-shop.myshopify.com/admin/oauth/access_token",
    token_extras={"scope": "read_products", "refresh_token_expires_in": 7776000},
    accounts={
        ("GET", "https://meow-shop.myshopify.com/admin/api/2026-10/shop.json"): {
            "shop": {"id": 548380009, "name": "Meow Shop", "domain": "shop.meow.example"}
        }
    },
    account_id="548380009",
    reading="https://meow-shop.myshopify.com/admin/api/2026-10/products.json",
    sends="X-Shopify-Access-Token",
    expired={"errors": "[API] Invalid API key or access token"},
    revocation=("DELETE", "https://meow-shop.myshopify.com/admin/api_permissions/current.json"),
)

ATLASSIAN = Connector(
    provider="atlassian",
    name="atlassian",
    raw="/api/atlassian/proxy/{slug}",
    client_id="0123456789abcdefABCDEF0123456789",
    scopes=("read:jira-work",),
    authorize="https://auth.atlassian.com/authorize",
    token="https://auth.atlassian.com/oauth/token",
    token_extras={"scope": "read:jira-work offline_access"},
    is_json=True,
    accounts={
        ("GET", "https://api.atlassian.com/oauth/token/accessible-resources"): [
            {"id": "cloud-1", "name": "acme", "url": "https://acme.atlassian.net"},
            {"id": "cloud-2", "name": "meow", "url": "https://meow.atlassian.net"},
        ]
    },
    account="cloud-2",
    account_id="cloud-2",
    reading="https://api.atlassian.com/ex/jira/cloud-2/rest/api/3/myself",
    expired={"code": 401, "message": "Unauthorized"},
)

QUICKBOOKS = Connector(
    provider="quickbooks",
    name="quick-books",
    raw="/api/quick-books/proxy/{slug}",
    client_id="AB000000000000000000000000000000000000000000000000",
    scopes=("com.intuit.quickbooks.accounting",),
    callback={"realmId": "4620816365"},
    authorize="https://appcenter.intuit.com/connect/oauth2",
    token="https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
    token_extras={"x_refresh_token_expires_in": 8640000},
    client_goes_in="basic",
    accounts={
        ("GET", "https://quickbooks.api.intuit.com/v3/company/4620816365/companyinfo/4620816365"): {
            "CompanyInfo": {"CompanyName": "Acme Books", "Country": "US"}
        }
    },
    account_id="4620816365",
    reading="https://quickbooks.api.intuit.com/v3/company/4620816365/query?query=select%20*%20from%20Bill",
    sent_headers={"Accept": "application/json"},
    expired={"fault": {"error": [{"code": "3200"}], "type": "AUTHENTICATION"}},
    revocation=("POST", "https://developer.api.intuit.com/v2/oauth2/tokens/revoke"),
    told_at_the_end={"token": "refresh-1"},
)

PROCORE = Connector(
    provider="procore",
    name="procore",
    raw="/api/raw/{slug}",
    client_id="000000000000000000000-111111111111111111111",
    authorize="https://login.procore.com/oauth/authorize",
    token="https://login.procore.com/oauth/token",
    accounts={
        ("GET", "https://api.procore.com/rest/v1.0/companies"): [
            {"id": 10, "name": "Build Co"},
            {"id": 11, "name": "Meow Build"},
        ],
        ("GET", "https://api.procore.com/rest/v1.0/me"): {"id": 5, "login": "ann@build.example"},
    },
    account="11",
    account_id="11",
    reading="https://api.procore.com/rest/v1.0/projects?company_id=11",
    sent_headers={"Procore-Company-Id": "11"},
    expired={"errors": "Unauthorized"},
    revocation=("POST", "https://login.procore.com/oauth/revoke"),
    told_at_the_end={"token": "access-1"},
)

SERVICENOW = Connector(
    provider="servicenow",
    name="servicenow",
    raw="/api/servicenow/proxy/{slug}",
    client_id="0123456789abcdef0123456789abcdef",
    scopes=("useraccount",),
    config=("instance=dev12345",),
    authorize="https://dev12345.service-now.com/oauth_auth.do",
    token="https://dev12345.service-now.com/oauth_token.do",
    token_extras={"scope": "useraccount"},
    accounts={("GET", "https://dev12345.service-now.com/api/now/table/sys_user"): {"result": [{}]}},
    account_id="dev12345",
    reading="https://dev12345.service-now.com/api/now/table/incident?sysparm_limit=1",
    expired={"error": {"message": "User Not Authenticated"}, "status": "failure"},
    revocation=("GET", "https://dev12345.service-now.com/oauth_revoke_token.do"),
    told_at_the_end={"token": "refresh-1"},
)

EIGHT = (HUBSPOT, PIPEDRIVE, XERO, SHOPIFY, ATLASSIAN, QUICKBOOKS, PROCORE, SERVICENOW)


class Provider:
    """A provider that keeps count of its tokens: a call with any but a live one is told that it expired.

    The first consent gives access-1 and refresh-1, each further consent or refresh the next number. extras_of:
    further members of the token reply, by code.
    """

    def __init__(self, server: ProviderServer, connector: Connector) -> None:
        self.server, self.connector = server, connector
        self.extras_of: dict[str, Json] = {"code-1": dict(connector.token_extras)}
        self._live_access: set[str] = set()
        self._refreshes: dict[str, Json] = {}
        self._issued = 0
        server.on("POST", connector.token, self._token)
        for (method, url), body in connector.accounts.items():
            server.on(method, url, self.api(body) if method == "GET" else body)
        self.serves("GET", connector.reading, {"read": connector.provider})
        if connector.revocation is not None:
            server.on(*connector.revocation, Answer(b"", status=200 if connector.told_at_the_end else 204))

    def serves(self, method: str, url: str, body: Any) -> None:
        """Answer an address of the API for whoever holds a live token."""
        self.server.on(method, url.partition("?")[0], self.api(body))

    def api(self, body: Any) -> Callable[[Received], Answer]:
        prefix = "Bearer " if self.connector.sends == "Authorization" else ""

        def answer(request: Received) -> Answer:
            given = request.header(self.connector.sends) or ""
            if given.removeprefix(prefix) in self._live_access and given.startswith(prefix):
                return Answer(body)
            return Answer(self.connector.expired, status=401)

        return answer

    def expire(self) -> None:
        """No access token that was given so far is good any more."""
        self._live_access.clear()

    @contextlib.contextmanager
    def unmapped(self) -> Iterator[None]:
        """Its hosts are their own for a moment. Nothing can be called meanwhile."""
        mapped = dict(self.server.upstream_map)
        self.server.upstream_map.clear()
        yield
        self.server.upstream_map.update(mapped)

    def calls(self, url: str) -> list[Received]:
        return self.server.received(url.partition("?")[0])

    def _token(self, request: Received) -> Answer:
        sent = request.json if self.connector.is_json else request.form
        if not self._is_client(request, sent):
            return Answer({"error": "invalid_client"}, status=401)
        if sent["grant_type"] == "authorization_code":
            extras = self.extras_of.pop(sent["code"], None)
        else:
            extras = self._refreshes.get(sent["refresh_token"])
            if self.connector.rotates:
                self._refreshes.pop(sent["refresh_token"], None)
        if extras is None:
            return Answer({"error": "invalid_grant"}, status=400)
        kept = None if self.connector.rotates else sent.get("refresh_token")
        return Answer(self._issue(extras, kept=kept))

    def _issue(self, extras: Json, *, kept: str | None) -> Json:
        self._issued += 1
        access, refresh = f"access-{self._issued}", kept or f"refresh-{self._issued}"
        self._live_access.add(access)
        self._refreshes[refresh] = extras
        told = {"access_token": access, "refresh_token": refresh, "expires_in": 3600, "token_type": "Bearer"}
        return told | extras

    def _is_client(self, request: Received, sent: Json) -> bool:
        pair = (self.connector.client_id, SECRET)
        if self.connector.client_goes_in == "basic":
            word = base64.b64encode(":".join(pair).encode()).decode()
            return request.header("Authorization") == f"Basic {word}"
        return (sent.get("client_id"), sent.get("client_secret")) == pair


def told(request: Received) -> Json:
    """What a revocation carries, wherever it stands, less the client."""
    members = request.query or (
        {}
        if not request.body
        else json.loads(request.body)
        if request.header("Content-Type") == "application/json"
        else request.form
    )
    return {name: value for name, value in members.items() if not name.startswith("client_")}
