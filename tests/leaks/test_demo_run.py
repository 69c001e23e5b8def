"""A whole demo run, driven from outside, then searched for every secret that was in play (design rule 1)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import pytest
import requests

from tests.demo.test_run import running
from tests.leaks import search
from tests.services import free_port

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("leaks")]
_TOKEN_MEMBERS = ("code", "code_verifier", "refresh_token", "client_secret", "token", "access_token")


@dataclass
class Visitor:
    """A browser or a program: keeps each reply as (place, headers and content)."""

    demo: dict[str, Any]
    session: requests.Session = field(default_factory=requests.Session)
    pages: list[tuple[str, bytes]] = field(default_factory=list)

    def go(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        url = urljoin(self.demo["baseUrl"] + "/", url)
        reply = self.session.request(method, url, timeout=30, allow_redirects=False, **kwargs)
        if url.startswith(self.demo["baseUrl"]):
            headers = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
            self.pages.append(
                (f"{method} {urlsplit(url).path[:40]}", headers.encode() + b"\n" + reply.content)
            )
        return reply

    def submit(self, url: str, page: str, **fields: str) -> requests.Response:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None
        return self.go(
            "POST", url, data={"csrfmiddlewaretoken": token[1], **fields}, headers={"Referer": url}
        )


def control(demo: dict[str, Any], method: str, path: str, payload: Any = None) -> Any:
    reply = requests.request(method, demo["sandboxUrl"] + path, json=payload, timeout=30)
    assert reply.status_code < 300, reply.text
    return reply.json() if reply.content else None


def new_link(demo: dict[str, Any], customer: str) -> str:
    reply = requests.post(
        f"{demo['baseUrl']}/api/v1/connect-links",
        json={"appSlug": "hbdev", "userForeignIdentifier": customer},
        headers={"Authorization": f"Bearer {demo['apiKey']}"},
        timeout=30,
    )
    assert reply.status_code == 201, reply.text
    return str(reply.json()["url"])


def consent(visitor: Visitor, url: str, secrets: dict[str, str], *, decision: str) -> requests.Response:
    """Walk one link and note the secrets that pass: link token, state, code."""
    confirm = visitor.go("GET", url)
    leaving = visitor.submit(url, confirm.text)
    target = re.search(r'http-equiv="refresh" content="\d+; ?url=([^"]+)"', leaving.text)
    assert target is not None
    authorize = target[1].replace("&amp;", "&")
    state = parse_qs(urlsplit(authorize).query)["state"][0]
    # The leaving page sends the browser to the provider: the state has to stand in it, once, and nowhere else.
    visitor.pages.pop()
    back = visitor.go("POST", authorize, data={"hubId": "62515", "decision": decision}).headers["Location"]
    number = len(secrets)
    secrets[f"state {number}"] = state
    for name, value in parse_qsl(urlsplit(back).query):
        if name == "code":
            secrets[f"code {number}"] = value
    return visitor.go("GET", back)


def log_in(visitor: Visitor) -> None:
    url = f"{visitor.demo['adminUrl']}login/?next=/admin/"
    page = visitor.go("GET", url)
    done = visitor.submit(
        url, page.text, username=visitor.demo["adminUsername"], password=visitor.demo["adminPassword"]
    )
    assert done.status_code == 302


def look_around(visitor: Visitor) -> int:
    """Every page that the admin links to, two clicks deep, logging out left out."""
    seen: set[str] = set()
    frontier = ["/admin/"]
    for _ in range(3):
        found: list[str] = []
        for path in frontier:
            if path in seen or "logout" in path:
                continue
            seen.add(path)
            reply = visitor.go("GET", path)
            assert reply.status_code < 500, path
            hrefs = re.findall(r'href="([^"]+)"', reply.text)
            found += [urlsplit(urljoin(path, href))._replace(fragment="").geturl() for href in hrefs]
        frontier = sorted({path for path in found if path.startswith("/admin/")})
    return len(seen)


def from_the_provider(demo: dict[str, Any], folder: Path) -> dict[str, str]:
    """Every secret that crossed to the provider or that it has given."""
    secrets: dict[str, str] = {}
    for number, request in enumerate(control(demo, "GET", "/_control/requests")):
        for name, value in parse_qsl(request["body"]):
            if name in _TOKEN_MEMBERS:
                secrets[f"{name} sent {number}"] = value
        for name, value in request["headers"]:
            if name.lower() == "authorization" and value.startswith("Bearer "):
                secrets[f"bearer sent {number}"] = value.removeprefix("Bearer ")
    text = (folder / "sandbox.json").read_text()
    for number, token in enumerate(
        set(re.findall(r'"((?:C[A-Za-z0-9_-]{80,}|(?:na1|eu1)-[0-9a-f-]{20,}))"', text))
    ):
        secrets[f"known to the provider {number}"] = token
    return {name: value for name, value in secrets.items() if len(value) >= 16}


def test_no_secret_is_left_anywhere_by_a_whole_run(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with running(folder, free_port(), free_port()) as (_, demo):
        secrets = {name: demo[name] for name in ("apiKey", "clientSecret", "adminPassword")}
        visitor = Visitor(demo)
        url = new_link(demo, "customer-1")
        secrets["link token"] = url.rsplit("/", 1)[1]
        assert consent(visitor, url, secrets, decision="deny").status_code == 200
        assert consent(visitor, url, secrets, decision="allow").status_code == 200
        visitor.pages = [
            (place, content) for place, content in visitor.pages if not place.endswith("/connect/")
        ]
        drive_failures(demo, visitor, secrets)
        drive_the_api(demo, visitor, secrets)
        log_in(visitor)
        assert look_around(visitor) > 15
        secrets |= from_the_provider(demo, folder)
        pages = visitor.pages
    assert len([name for name in secrets if name.startswith("known to the provider")]) >= 2
    hits = search.in_folder(folder, secrets)
    hits += search.in_tables(folder / "patchbay.sqlite3", secrets)
    hits += search.in_pages(pages, {n: s for n, s in secrets.items() if n not in {"link token"}})
    assert hits == []


def drive_failures(demo: dict[str, Any], visitor: Visitor, secrets: dict[str, str]) -> None:
    """Token endpoints that quote what they were sent, and refreshes that fail and succeed."""
    quoting = json.dumps(
        {"error": "invalid_grant", "error_description": "refresh_token=SECRET-QUOTED-0123456789"}
    )
    secrets["quoted by the provider"] = "SECRET-QUOTED-0123456789"
    match = {"method": "POST", "path": "/oauth/2026-09/token"}
    control(demo, "POST", "/_control/faults", {"match": match, "times": 1, "status": 400, "body": quoting})
    consent(visitor, new_link(demo, "customer-2"), secrets, decision="allow")
    control(demo, "PATCH", "/_control/behaviour", {"expiresIn": 1})
    consent(visitor, new_link(demo, "customer-3"), secrets, decision="allow")
    control(demo, "PATCH", "/_control/behaviour", {"expiresIn": 1800})
    for path in ("/oauth/hbdev/callback?code=abc", "/oauth/hbdev/callback?code=abc&state=xyz", "/nowhere"):
        visitor.go("GET", path)


def drive_the_api(demo: dict[str, Any], visitor: Visitor, secrets: dict[str, str]) -> None:
    """Every door of the partner API, with good and with bad credentials."""
    bearer = {"Authorization": f"Bearer {demo['apiKey']}"}
    issued = visitor.go(
        "POST",
        "/oauth/token",
        data={
            "grant_type": "client_credentials",
            "client_id": demo["clientId"],
            "client_secret": demo["clientSecret"],
        },
    )
    secrets["issued token"] = issued.json()["access_token"]
    visitor.pages.pop()  # the one reply that hands out a secret
    for customer in ("customer-1", "customer-3"):
        reply = visitor.go("GET", f"/proxy/hbdev/{customer}/crm/v3/objects/contacts?limit=1", headers=bearer)
        assert reply.status_code == 200, reply.text
    envelope = {"userForeignIdentifier": "customer-1", "method": "GET", "url": "/crm/v3/objects/contacts"}
    assert visitor.go("POST", "/proxy/hbdev", json=envelope, headers=bearer).status_code == 200
    for path in ("/api/v1/connections", "/api/v1/integrations", "/api/schema", "/readyz", "/api/v1/nothing"):
        visitor.go("GET", path, headers=bearer)
    for wrong in ("Bearer pbk_wrong", "Basic !!!", f"Bearer {demo['clientSecret']}"):
        visitor.go("GET", "/api/v1/connections", headers={"Authorization": wrong})
