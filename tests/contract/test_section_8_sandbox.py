"""Contract section 8: the sandbox's own surface."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from tests.contract.browser import Browser
from tests.contract.echo import Seen
from tests.contract.outside import Outside

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]


def ask(outside: Outside, method: str, path: str, **kwargs: Any) -> requests.Response:
    kwargs = {"timeout": 20, "allow_redirects": False, **kwargs}
    return requests.request(method, outside.demo["sandboxUrl"] + path, **kwargs)


@contextmanager
def listener() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server that takes webhooks and answers 202."""
    taken: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append(({name.lower(): value for name, value in self.headers.items()}, content))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks?x=1", taken
    finally:
        server.shutdown()
        server.server_close()


def test_it_listens_on_loopback_only(outside: Outside) -> None:
    from pathlib import Path

    port = urlsplit(outside.demo["sandboxUrl"]).port
    assert port is not None
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        if Path(f"/proc/net/{table}").exists()
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]
    assert listening and all(place.startswith(("0100007F:", "0" * 24 + "01000000:")) for place in listening)


@pytest.mark.parametrize(
    "host", ["api.hubapi.com", "app.hubspot.com", "evil.example", "localhost.evil.example"]
)
@pytest.mark.parametrize("path", ["/_control/state", "/_control/requests", "/developer/apps", "/developer"])
def test_control_and_developer_pages_answer_only_under_its_own_host_name(
    outside: Outside, host: str, path: str
) -> None:
    reply = outside.raw("GET", path, headers=[("Host", host)], base=outside.demo["sandboxUrl"])
    assert reply.status in (403, 404, 421)
    assert b"refreshTokens" not in reply.body and b"<form" not in reply.body


def test_an_app_made_by_program_has_credentials_scopes_and_redirect_urls(outside: Outside) -> None:
    asked = {
        "name": "Mine",
        "redirectUrls": ["https://app.example.com/callback"],
        "scopes": ["oauth", "crm.objects.contacts.read"],
        "optionalScopes": ["crm.objects.deals.read"],
    }
    made = outside.control("POST", "/apps", asked, expect=201)
    assert {"clientId", "clientSecret", "appId"} <= set(made)
    assert {name: made[name] for name in asked} == asked
    assert made["clientId"] in [app["clientId"] for app in outside.control("GET", "/state")["apps"]]


def test_the_guides_steps_can_be_walked_on_the_developer_pages(outside: Outside) -> None:
    made = ask(outside, "POST", "/developer/apps", data={"name": "Walked"})
    assert made.status_code in (302, 303)
    path = made.headers["Location"]
    redirect_url = "https://app.example.com/back"
    ask(outside, "POST", f"{path}/redirect-urls", data={"redirectUrl": redirect_url, "action": "add"})
    ask(outside, "POST", f"{path}/scopes", data={"scope": ["oauth", "crm.objects.contacts.read"]})
    page = ask(outside, "GET", path)
    app = next(app for app in outside.control("GET", "/state")["apps"] if app["name"] == "Walked")
    for value in (app["clientId"], app["clientSecret"], str(app["appId"]), redirect_url):
        assert value in page.text
    query = {
        "client_id": app["clientId"],
        "redirect_uri": redirect_url,
        "scope": " ".join(app["scopes"]),
        "state": "s",
    }
    right = ask(outside, "GET", f"/oauth/authorize?{urlencode(query)}")
    assert right.status_code == 200 and "<form" in right.text
    mismatch = ask(
        outside, "GET", f"/oauth/authorize?{urlencode({**query, 'redirect_uri': redirect_url + '/'})}"
    )
    assert (
        mismatch.status_code == 400 and redirect_url in mismatch.text and "mismatch" in mismatch.text.lower()
    )


def test_the_consent_page_is_one_form_with_hub_id_and_two_decisions(outside: Outside) -> None:
    authorize = Browser().leave(outside.link(outside.customer())["url"])
    page = requests.get(authorize, timeout=10)
    assert len(re.findall(r"<form\b", page.text)) == 1
    assert re.search(r'name="hubId"[^>]*value="\d+"', page.text)
    assert set(re.findall(r'name="decision"[^>]*value="(\w+)"', page.text)) == {"allow", "deny"}


def test_a_silent_decline_sends_the_browser_nowhere(outside: Outside) -> None:
    authorize = Browser().leave(outside.link(outside.customer())["url"])
    with outside.behaving(declineMode="silent"):
        reply = requests.post(authorize, data={"decision": "deny"}, timeout=10, allow_redirects=False)
    assert reply.status_code == 200 and "Location" not in reply.headers


def test_state_shows_the_behaviour_and_patch_changes_it(outside: Outside) -> None:
    behaviour = outside.control("GET", "/state")["behaviour"]
    known = {
        "expiresIn": 1800,
        "rotateRefreshTokens": False,
        "refreshGraceSeconds": 0,
        "tokenDelaySeconds": 0,
        "apiDelaySeconds": 0,
        "rateLimit": 110,
        "declineMode": "error",
        "shape": {},
    }
    assert {name: behaviour[name] for name in known} == known
    with outside.behaving(expiresIn=60, apiDelaySeconds=0.3):
        tokens = outside.grant()
        started = time.monotonic()
        headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
        assert ask(outside, "GET", "/crm/v3/objects/contacts", headers=headers).status_code == 200
        assert time.monotonic() - started >= 0.3
    assert outside.control("GET", "/state")["behaviour"] == behaviour


@pytest.mark.parametrize(
    "change", [{"none": 1}, {"expiresIn": "x"}, {"declineMode": "x"}, {"rateLimit": -1}, {"shape": 5}, []]
)
def test_a_behaviour_that_is_none_is_400(outside: Outside, change: Any) -> None:
    before = outside.control("GET", "/state")["behaviour"]
    outside.control("PATCH", "/behaviour", change, expect=400)
    assert outside.control("GET", "/state")["behaviour"] == before


def test_the_rate_limit_answers_429_in_hubspots_shape(outside: Outside) -> None:
    hub_id = outside.account()
    headers = {"Authorization": f"Bearer {outside.grant(hub_id=hub_id)['accessToken']}"}
    with outside.behaving(rateLimit=2):
        replies = [ask(outside, "GET", "/crm/v3/objects/contacts?limit=1", headers=headers) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[0].headers["X-HubSpot-RateLimit-Max"] == "2"
    assert replies[2].json()["errorType"] == "RATE_LIMIT"


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_faults_hit_the_next_n_requests_that_match(outside: Outside) -> None:
    fault = {
        "match": {"method": "GET", "path": "/_echo/faulty"},
        "times": 2,
        "status": 507,
        "headers": {"X-F": "1"},
        "body": "b",
    }
    outside.control("POST", "/faults", fault)
    assert ask(outside, "POST", "/_echo/faulty").status_code == 200
    assert ask(outside, "GET", "/_echo/other").status_code == 200
    hit = ask(outside, "GET", "/_echo/faulty/below")
    assert (hit.status_code, hit.headers["X-F"], hit.text) == (507, "1", "b")
    assert ask(outside, "GET", "/_echo/faulty").status_code == 507
    assert ask(outside, "GET", "/_echo/faulty").status_code == 200


@pytest.mark.usefixtures("_sandbox_at_rest")
@pytest.mark.parametrize("action", ["drop", "truncate", "stall"])
def test_faults_that_end_without_a_whole_reply(outside: Outside, action: str) -> None:
    outside.control("POST", "/faults", {"match": {"path": "/_echo/acted"}, "times": 1, "action": action})
    with pytest.raises(requests.exceptions.RequestException):
        ask(outside, "GET", "/_echo/acted", timeout=0.5)
    assert ask(outside, "GET", "/_echo/acted").status_code == 200


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_a_dripping_reply_comes_byte_by_byte(outside: Outside) -> None:
    fault = {
        "match": {"path": "/_echo/dripping"},
        "times": 1,
        "action": "drip",
        "status": 200,
        "body": "1234567",
    }
    outside.control("POST", "/faults", fault)
    started = time.monotonic()
    assert ask(outside, "GET", "/_echo/dripping").text == "1234567"
    assert time.monotonic() - started >= 0.5


def test_requests_are_what_arrived_oldest_first_and_narrowed_by_prefix(outside: Outside) -> None:
    mark = outside.customer()[-36:]
    ask(outside, "POST", f"/_echo/{mark}/1?a=b%20c", data="body é".encode(), headers={"X-Mine": "v"})
    ask(outside, "GET", f"/_echo/{mark}/2")
    seen = outside.control("GET", f"/requests?path=/_echo/{mark}")
    assert [set(request) for request in seen] == [{"method", "rawTarget", "headers", "body"}] * 2
    assert [request["rawTarget"] for request in seen] == [f"/_echo/{mark}/1?a=b%20c", f"/_echo/{mark}/2"]
    assert (seen[0]["method"], seen[0]["body"]) == ("POST", "body é")
    assert ["X-Mine", "v"] in seen[0]["headers"]
    assert isinstance(outside.control("GET", "/requests"), list)


def test_reset_empties_what_arrived_and_keeps_the_apps(outside: Outside) -> None:
    before = outside.control("GET", "/state")["apps"]
    mark = outside.customer()[-36:]
    ask(outside, "GET", f"/_echo/{mark}")
    outside.control("POST", "/reset")
    assert outside.arrived(mark) == []
    after = outside.control("GET", "/state")
    assert after["apps"] == before and after["faults"] == []
    assert after["behaviour"]["expiresIn"] == 1800


@pytest.mark.parametrize("verb", ["revoke", "uninstall"])
def test_revoke_and_uninstall_act_as_a_customer_would(outside: Outside, verb: str) -> None:
    hub_id = outside.account()
    tokens = outside.grant(hub_id=hub_id)
    outside.control("POST", f"/{verb}", {"hubId": hub_id})
    settings = dict(
        line.split("=", 1) for line in (outside.folder / ".env").read_text().splitlines() if "=" in line
    )
    form = {
        "grant_type": "refresh_token",
        "client_id": settings["SANDBOX_DEMO_CLIENT_ID"].strip("'"),
        "client_secret": settings["SANDBOX_DEMO_CLIENT_SECRET"].strip("'"),
        "refresh_token": tokens["refreshToken"],
    }
    for path in ("/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-09/token"):
        reply = ask(outside, "POST", path, data=form)
        assert reply.status_code == 400 and "BAD_REFRESH_TOKEN" in reply.text
    outside.control("POST", f"/{verb}", {"hubId": 1}, expect=404)


def test_webhooks_are_sent_now_signed_and_filled_in(outside: Outside) -> None:
    settings = dict(
        line.split("=", 1) for line in (outside.folder / ".env").read_text().splitlines() if "=" in line
    )
    secret = settings["SANDBOX_DEMO_CLIENT_SECRET"].strip("'")
    with listener() as (url, taken):
        for version in ("v1", "v2", "v3"):
            payload = {"url": url, "events": [{"objectId": 7}, {"objectId": 8}], "signature": version}
            assert outside.control("POST", "/webhooks", payload) == {"status": 202}
        outside.control("POST", "/webhooks", {**payload, "duplicate": True, "shuffle": True, "stale": True})
    assert len(taken) == 5
    (v1, body), (v2, body2), (v3, body3) = taken[:3]
    assert b'"objectId":7' in body and b'"subscriptionType"' in body and b'"portalId"' in body
    assert v1["x-hubspot-signature"] == hashlib.sha256(secret.encode() + body).hexdigest()
    assert v2["x-hubspot-signature"] == hashlib.sha256((secret + "POST" + url).encode() + body2).hexdigest()
    signed = b"POST" + url.encode() + body3 + v3["x-hubspot-request-timestamp"].encode()
    expected = b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    assert v3["x-hubspot-signature-v3"] == expected
    assert taken[3][1] == taken[4][1]
    stale_at = int(taken[3][0]["x-hubspot-request-timestamp"]) / 1000
    assert time.time() - stale_at > 300


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_echo_shows_a_request_exactly_as_received(outside: Outside, method: str) -> None:
    target = "/_echo/a%2Fb//c?x=1&x=+"
    reply = outside.raw(
        method, target, headers=[("X-A", "1"), ("x-a", "2")], body=b"\0\xff", base=outside.demo["sandboxUrl"]
    )
    seen = Seen.of(reply.json())
    assert (reply.status, seen.method, seen.target, seen.body) == (200, method, target, b"\0\xff")
    assert ("X-A", "1") in seen.headers and ("x-a", "2") in seen.headers


def test_bytes_sink_slow_status_redirect_and_events(outside: Outside) -> None:
    content = ask(outside, "GET", "/_bytes/100000").content
    assert len(content) == 100_000 and len(set(content)) > 200
    sunk = ask(outside, "POST", "/_sink", data=content).json()
    assert sunk == {"bytes": 100_000, "sha256": hashlib.sha256(content).hexdigest()}
    started = time.monotonic()
    assert ask(outside, "GET", "/_slow/0.3").status_code == 200
    assert time.monotonic() - started >= 0.3
    assert ask(outside, "GET", "/_status/418").status_code == 418
    moved = ask(outside, "GET", "/_redirect?to=https://a.example/b?c=d")
    assert (moved.status_code, moved.headers["Location"]) == (302, "https://a.example/b?c=d")
    stream = ask(outside, "GET", "/_events/3")
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert stream.text.count("\ndata:") == 3
    for path in ("/_echo/x", "/_bytes/1", "/_status/200"):
        assert not any(
            name.lower().startswith("x-hubspot-ratelimit") for name in ask(outside, "GET", path).headers
        )
