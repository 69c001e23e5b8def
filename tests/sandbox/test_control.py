"""The control API: who reaches it, behaviours, faults, what arrived, limits, reset."""

import base64
import gzip
import http.client
import json
import socket
import time
from typing import Any

import pytest
import requests

from sandbox.testing import ControlFailed, RunningSandbox
from tests.sandbox.conftest import Api
from tests.sandbox.consent import STARTER, App, refresh

CONTACTS = "/crm/v3/objects/contacts"


def _fault(sandbox: RunningSandbox, path: str, **fault: Any) -> None:
    method = fault.pop("method", None)
    match = {"path": path} | ({"method": method} if method else {})
    sandbox.control("POST", "/_control/faults", {"match": match, **fault})


@pytest.mark.parametrize(
    "host", ["api.hubapi.com", "app.hubspot.com", "127.0.0.1:1", "127.0.0.1", "localhost.evil:80"]
)
@pytest.mark.parametrize(
    "path", ["/_control/state", "/developer/apps", "/%5fcontrol/state", "//_control/state"]
)
def test_control_and_developer_pages_answer_under_the_own_host_only(
    sandbox: RunningSandbox, host: str, path: str
) -> None:
    reply = requests.get(sandbox.url + path, headers={"Host": host}, timeout=10)
    assert (reply.status_code, reply.json()["category"]) == (404, "OBJECT_NOT_FOUND")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_own_host_names_reach_the_control_api(sandbox: RunningSandbox, name: str) -> None:
    headers = {"Host": f"{name}:{sandbox.port}"}
    assert requests.get(f"{sandbox.url}/_control/state", headers=headers, timeout=10).status_code == 200


def test_apps_are_made_with_given_or_drawn_credentials(sandbox: RunningSandbox) -> None:
    given = {
        "name": "Mine",
        "clientId": "7fff1e36-2d40-4ae1-bbb1-5266d59564fb",
        "clientSecret": "1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9",
        "appId": 1160452,
        "redirectUrls": ["https://platform.example.com/cb"],
        "scopes": ["crm.objects.contacts.read"],
        "optionalScopes": ["forms"],
    }
    made = sandbox.control("POST", "/_control/apps", given)
    assert made == given | {"scopes": ["oauth", "crm.objects.contacts.read"]}
    drawn = sandbox.control("POST", "/_control/apps", {})
    assert set(drawn) == set(given)
    assert isinstance(drawn["appId"], int)
    assert [len(part) for part in drawn["clientId"].split("-")] == [8, 4, 4, 4, 12]


@pytest.mark.parametrize(
    "body",
    [
        {"redirectUrls": ["http://127.0.0.1/cb"]}, {"redirectUrls": ["http://example.com/cb"]},
        {"redirectUrls": ["https://10.0.0.1/cb"]}, {"redirectUrls": ["https://[::1]/cb"]},
        {"redirectUrls": ["https://a.example.com/cb#x"]}, {"redirectUrls": ["https://u@a.example.com/"]},
        {"redirectUrls": "https://a.example.com"}, {"redirectUrls": [""]}, {"redirectUrls": ["https://["]},
        {"redirectUrls": ["https://a.example.com:99999/"]}, {"redirectUrls": ["https://a.example.com/ä"]},
        {"appId": "1"}, {"appId": True}, {"appId": 2**31}, {"scopes": ["a b"]}, {"name": ""}, {"nam": "x"},
    ],
)  # fmt: skip
def test_apps_that_hubspot_would_refuse_are_a_400(sandbox: RunningSandbox, body: dict[str, Any]) -> None:
    with pytest.raises(ControlFailed, match=": 400 "):
        sandbox.control("POST", "/_control/apps", body)
    assert sandbox.control("GET", "/_control/state")["apps"] == []


@pytest.mark.parametrize(
    "body",
    [{"expiresIn": -1}, {"expiresIn": "5"}, {"rateLimit": 1.5}, {"declineMode": "x"}, {"shape": []}, {"nope": 1},
     {"shape": {"__status": 99}}, {"shape": {"__drop": "x"}}, {"rotateRefreshTokens": 1}, {"expiresIn": 1e999}],
)  # fmt: skip
def test_wrong_behaviours_change_nothing(sandbox: RunningSandbox, body: dict[str, Any]) -> None:
    before = sandbox.control("GET", "/_control/state")["behaviour"]
    with pytest.raises(ControlFailed, match=": 400 "):
        sandbox.control("PATCH", "/_control/behaviour", {"tokenDelaySeconds": 3, **body})
    assert sandbox.control("GET", "/_control/state")["behaviour"] == before


def test_rate_fields_count_down_and_the_next_call_is_a_429(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"rateLimit": 3})
    replies = [api.get(CONTACTS) for _ in range(4)]
    assert [reply.headers["X-HubSpot-RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0"]
    assert {reply.headers["X-HubSpot-RateLimit-Max"] for reply in replies} == {"3"}
    assert replies[0].headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    refused = replies[-1]
    assert refused.status_code == 429
    assert "Retry-After" not in refused.headers
    assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
    assert refused.json()["errorType"] == "RATE_LIMIT"
    sandbox.control("PATCH", "/_control/behaviour", {"retryAfterSeconds": 7})
    assert api.get(CONTACTS).headers["Retry-After"] == "7"
    sandbox.clock.advance(10)
    assert api.get(CONTACTS).status_code == 200


def test_limit_is_per_account_and_app(sandbox: RunningSandbox, app: App, api: Api) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"rateLimit": 1})
    other = sandbox.control("POST", "/_control/apps", {"scopes": app["scopes"]})
    body = {"clientId": other["clientId"], "hubId": STARTER}
    with Api(sandbox.url, sandbox.control("POST", "/_control/grants", body)["accessToken"]) as second:
        assert [api.get(CONTACTS).status_code, second.get(CONTACTS).status_code] == [200, 200]
        assert [api.get(CONTACTS).status_code, second.get(CONTACTS).status_code] == [429, 429]


def test_fault_with_a_status_hits_the_next_n_matching_requests(sandbox: RunningSandbox, api: Api) -> None:
    _fault(
        sandbox,
        CONTACTS,
        method="get",
        times=2,
        status=503,
        headers={"Retry-After": "3"},
        body="<h1>down</h1>",
    )
    assert api.post(CONTACTS, json={"properties": {}}).status_code == 201
    for _ in range(2):
        reply = api.get(f"{CONTACTS}?limit=1")
        assert (reply.status_code, reply.headers["Retry-After"], reply.text) == (503, "3", "<h1>down</h1>")
        assert reply.headers["Content-Type"].startswith("text/html")
    assert api.get(CONTACTS).status_code == 200


@pytest.mark.parametrize("status", [401, 403, 404, 409, 414, 423, 429, 477, 500, 502, 503, 504, 524])
def test_any_status_can_be_asked_for(sandbox: RunningSandbox, api: Api, status: int) -> None:
    _fault(sandbox, "/", status=status, body={"status": "error"})
    reply = api.get(CONTACTS)
    assert (reply.status_code, reply.json()) == (status, {"status": "error"})


def test_drop_closes_without_a_reply(sandbox: RunningSandbox, api: Api) -> None:
    _fault(sandbox, CONTACTS, action="drop")
    with pytest.raises(requests.ConnectionError, match="without response"):
        api.get(CONTACTS)
    assert api.get(CONTACTS).status_code == 200


def test_truncate_promises_more_than_it_sends(sandbox: RunningSandbox, api: Api) -> None:
    _fault(sandbox, CONTACTS, action="truncate")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api.get(CONTACTS)


def test_drip_sends_the_real_reply_slowly(sandbox: RunningSandbox, api: Api) -> None:
    _fault(sandbox, "/_status", action="drip", seconds=0.02)
    started = time.monotonic()
    assert api.get("/_status/200").json() == {"status": 200}
    assert time.monotonic() - started > 0.2


def test_stall_never_answers(sandbox: RunningSandbox, api: Api) -> None:
    _fault(sandbox, CONTACTS, action="stall")
    with pytest.raises(requests.ReadTimeout):
        api.get(CONTACTS, timeout=0.3)


def test_lost_reply_of_a_refresh_leaves_the_token_rotated(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any]
) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"rotateRefreshTokens": True})
    _fault(sandbox, "/oauth/", action="drop", after=True)
    with pytest.raises(requests.ConnectionError):
        refresh(sandbox, app, grant["refreshToken"])
    assert refresh(sandbox, app, grant["refreshToken"]).json()["status"] == "BAD_REFRESH_TOKEN"


@pytest.mark.parametrize(
    "body",
    [{}, {"status": 99}, {"status": "x"}, {"action": "explode"}, {"status": 500, "times": 0}, {"status": 500, "x": 1},
     {"status": 500, "match": 3}, {"status": 500, "match": {"path": 3}}, {"status": 500, "headers": {"a": "b\r\nc: d"}},
     {"status": 500, "match": {"hots": "x"}}, {"action": "drip", "seconds": -1}],
)  # fmt: skip
def test_wrong_faults_are_refused(sandbox: RunningSandbox, body: dict[str, Any]) -> None:
    with pytest.raises(ControlFailed, match=": 400 "):
        sandbox.control("POST", "/_control/faults", body)


def test_requests_are_kept_as_they_arrived_without_control_calls(sandbox: RunningSandbox, api: Api) -> None:
    api.post(f"{CONTACTS}?a=%2F&a=+", data="ä".encode(), headers={"X-Odd": "v"})
    api.get("/_control/state", headers={"Host": "api.hubapi.com"})
    api.post("/_sink", data=b"sunk")
    first, hidden, sink = sandbox.control("GET", "/_control/requests")
    assert set(first) == {"method", "rawTarget", "headers", "body"}
    assert (first["method"], first["rawTarget"], first["body"]) == ("POST", f"{CONTACTS}?a=%2F&a=+", "ä")
    assert ["X-Odd", "v"] in first["headers"]
    assert hidden["rawTarget"] == "/_control/state"
    assert sink["body"] == "sunk"
    assert [entry["method"] for entry in sandbox.control("GET", "/_control/requests?path=/_sink")] == ["POST"]


def test_request_log_keeps_the_newest_5000_and_256_kib_of_a_body(sandbox: RunningSandbox, api: Api) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
    for number in range(5_003):
        connection.request("HEAD", f"/_status/204?n={number}")
        connection.getresponse().read()
    connection.close()
    api.post("/_echo/big", data=b"x" * 300_000)
    entries = sandbox.control("GET", "/_control/requests")
    assert len(entries) == 5_000
    assert entries[0]["rawTarget"] == "/_status/204?n=4"
    assert len(entries[-1]["body"]) == 256 * 1024


def test_reset_keeps_apps_alone(sandbox: RunningSandbox, app: App, api: Api) -> None:
    api.post(CONTACTS, json={"properties": {"email": "x@example.com"}})
    sandbox.control("PATCH", "/_control/behaviour", {"expiresIn": 5})
    _fault(sandbox, "/", status=500)
    sandbox.control("POST", "/_control/reset")
    state = sandbox.control("GET", "/_control/state")
    assert [row["clientId"] for row in state["apps"]] == [app["clientId"]]
    assert (state["accessTokens"], state["refreshTokens"], state["faults"]) == ([], [], [])
    assert state["behaviour"]["expiresIn"] == 1800
    assert state["records"][str(STARTER)] == {"contacts": 6, "companies": 3, "deals": 3}
    assert sandbox.control("GET", "/_control/requests") == []


@pytest.mark.parametrize("path", ["/_control/revoke", "/_control/uninstall"])
@pytest.mark.parametrize(("hub_id", "status"), [(None, 400), ("x", 400), (True, 400), (999, 404), ({}, 400)])
def test_unknown_hub_is_refused(sandbox: RunningSandbox, path: str, hub_id: Any, status: int) -> None:
    with pytest.raises(ControlFailed, match=f": {status} "):
        sandbox.control("POST", path, {"hubId": hub_id})


def test_another_account_can_be_opened(sandbox: RunningSandbox, app: App) -> None:
    sandbox.control("POST", "/_control/accounts", {"hubId": 4711, "tier": "free"})
    body = {"clientId": app["clientId"], "hubId": 4711}
    with Api(sandbox.url, sandbox.control("POST", "/_control/grants", body)["accessToken"]) as api:
        assert len(api.get(CONTACTS).json()["results"]) == 6
    with pytest.raises(ControlFailed, match=": 409 "):
        sandbox.control("POST", "/_control/accounts", {"hubId": 4711})


def test_api_delay_holds_api_calls_and_not_the_extras(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"apiDelaySeconds": 20})
    started = time.monotonic()
    api.get("/_echo/x")
    assert time.monotonic() - started < 10
    sandbox.control("PATCH", "/_control/behaviour", {"apiDelaySeconds": 0.3})
    started = time.monotonic()
    api.get(CONTACTS)
    assert time.monotonic() - started > 0.3


def test_gzip_and_chunked_replies_on_demand(sandbox: RunningSandbox, api: Api) -> None:
    plain = api.get(CONTACTS).json()
    sandbox.control("PATCH", "/_control/behaviour", {"gzip": True, "chunked": True})
    reply = api.get(CONTACTS, headers={"Accept-Encoding": "gzip"}, stream=True)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert reply.headers["Transfer-Encoding"] == "chunked"
    assert gzip.decompress(reply.raw.read()) and plain["results"]
    reply = api.get(CONTACTS, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in reply.headers
    assert reply.json()["results"] == plain["results"]


def test_echo_shows_the_request_exactly_as_received(sandbox: RunningSandbox) -> None:
    head = (
        b"PATCH /_echo/a%2Fb//c/../%C3%A4?x=%zz&x=+&x=1&&=? HTTP/1.1\r\nHost: anything.example\r\n"
        b"X-DuP: one\r\nx-dup: two\r\nX-Bytes: caf\xe9\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n"
        b"Connection: close\r\n\r\n\x00\xff\r\n"
    )
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as wire:
        wire.sendall(head)
        reply = http.client.HTTPResponse(wire)
        reply.begin()
        body = json.loads(reply.read())
    assert reply.status == 200
    assert not [name for name, _ in reply.getheaders() if name.lower().startswith("x-hubspot-ratelimit")]
    assert (body["method"], body["rawTarget"]) == ("PATCH", "/_echo/a%2Fb//c/../%C3%A4?x=%zz&x=+&x=1&&=?")
    assert body["headers"][:4] == [
        ["Host", "anything.example"], ["X-DuP", "one"], ["x-dup", "two"], ["X-Bytes", "caf\xe9"],
    ]  # fmt: skip
    assert base64.b64decode(body["bodyBase64"]) == b"\x00\xff\r\n"
