"""Nothing that is sent to the sandbox ends in a 500."""

import http.client
import json
import socket
from typing import Any

import pytest

from sandbox.server import ROUTER
from sandbox.testing import RunningSandbox
from tests.sandbox.consent import App

ODD: list[Any] = [
    None, True, -1, 0, 1.5, 1e308, 10**400, "", "x", "\x00", "\ud800", "9" * 5000, [], [[]], {}, {"id": {}},
    [{"id": []}],
]  # fmt: skip
MEMBERS = (
    "properties", "inputs", "filterGroups", "sorts", "after", "limit", "query", "associations", "objectId",
    "primaryObjectId", "objectIdToMerge", "idProperty", "fields", "hubId", "clientId", "scopes", "redirectUrls",
    "appId", "match", "status", "headers", "body", "times", "seconds", "events", "signature", "name", "tier",
    "expiresIn", "rateLimit", "shape", "propertiesWithHistory", "url",
)  # fmt: skip
# These take no body, would wait, or would throw away what the test stands on.
LEFT_OUT = ("/_slow", "/_events", "/_bytes", "/_control/reset", "/appinstalls")
ROUTES = sorted(
    {(route.method, route.path) for route in ROUTER.routes if not route.path.startswith(LEFT_OUT)}
)


def _bodies() -> list[bytes]:
    objects = [dict.fromkeys(MEMBERS, value) for value in ODD]
    inputs = [
        {"inputs": [{"id": value, "idProperty": value, "properties": value}], "properties": []}
        for value in ODD
    ]
    filters = [
        {
            "filterGroups": [
                {
                    "filters": [
                        {"propertyName": "email", "operator": operator, "value": value, "values": value}
                    ]
                }
            ]
        }
        for operator in ("EQ", "IN", "BETWEEN", "CONTAINS_TOKEN")
        for value in ODD
    ]
    texts = [json.dumps(item).encode() for item in (*objects, *inputs, *filters, *ODD)]
    return [
        *texts,
        b"",
        b"\xff\x00",
        b"%",
        b"a=%ff&b=%00&hubId=9&decision=allow&redirectUrl=%00&name=%ff",
        b"[" * 50_000,
    ]


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda item: str(item))
def test_odd_bodies_never_end_in_a_500(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any], method: str, path: str
) -> None:
    sandbox.control("PATCH", "/_control/behaviour", {"rateLimit": None, "searchRateLimit": None})
    target = path.replace("{type}", "contacts").replace("{clientId}", app["clientId"]).replace("{id}", "504")
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=20)
    wanted = "POST" if method == "*" else method
    kinds = [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
    ]
    for number, body in enumerate(_bodies()):
        headers = {
            "Authorization": f"Bearer {grant['accessToken']}",
            "Content-Type": kinds[number % len(kinds)],
        }
        if number % 2:
            headers["Content-Type"] = "application/json"
        connection.request(wanted, target, body=body, headers=headers)
        reply = connection.getresponse()
        text = reply.read()
        assert reply.status < 500, (body[:200], text)
        sandbox.world.faults.clear()
        sandbox.world.behaviour.shape = {}
    connection.close()


@pytest.mark.parametrize(
    "target",
    [
        "/", "//", "/%", "/%zz", "/%00", "/%ff/%fe", "/crm/v3/objects/%00", "/;",
        "/crm/v3/objects/contacts/%ff?idProperty=email",
        "/crm/v3/objects/contacts?properties=%00&limit=%ff", "/crm/v3/objects/contacts?limit=" + "9" * 5000,
        "/crm/v3/objects/contacts?after=" + "9" * 5000, "/oauth/%ff/authorize",
        "/oauth/authorize?client_id=%00&scope=%ff",
        "/oauth/v1/access-tokens/%ff", "/_redirect?to=%ff%ed%a0%80", "/_status/" + "9" * 5000, "/_echo", "*",
        "http://api.hubapi.com/_echo/absolute", "/a" * 50_000, "/?" + "&" * 10_000, "/%2e%2e/_control/state",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PROPFIND", "OPTIONS"])
def test_odd_targets_never_end_in_a_500(sandbox: RunningSandbox, method: str, target: str) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as wire:
        wire.sendall(
            f"{method} {target} HTTP/1.1\r\nHost: api.hubapi.com\r\nConnection: close\r\n\r\n".encode()
        )
        reply = http.client.HTTPResponse(wire, method=method)
        reply.begin()
        assert reply.status < 500, reply.read()
