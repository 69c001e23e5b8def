"""Holding a request that arrived to the one that a file of replies describes, member by member."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from tests.integrations.contract_set import signed
from tests.integrations.contract_set.placeholders import filled, filled_url
from tests.provider_server import Received

#: of HTTP itself; what they hold is looked at where it matters
OF_HTTP = frozenset(
    [
        "host",
        "connection",
        "content-length",
        "content-type",
        "accept",
        "accept-encoding",
        "user-agent",
        "authorization",
    ]
)
_ANY_ACCEPT = ("*/*", "application/json", None)


def check_request(request: Received, expected: Mapping[str, Any], values: Mapping[str, str]) -> None:
    """Method, address, credential, parameters and further header fields, each exactly. Raises AssertionError."""
    url, _, query = filled_url(expected["url"], values).partition("?")
    assert (request.method, request.url) == (expected["method"], url)
    credential = _credential(expected, values)
    if signed.is_expected(expected.get("credential")):
        request = signed.verified(request, values)
    wanted_query = {
        **dict(parse_qsl(query, keep_blank_values=True)),
        **filled(expected.get("query", {}), values),
    }
    params = filled(expected.get("params", {}), values)
    if request.method == "GET":
        wanted_query |= params
    wanted_query |= credential.get("query", {})
    assert request.query == wanted_query
    if request.method != "GET":
        _check_content(request, expected, params)
    check_fields(request, {**filled(expected.get("headers", {}), values), **credential.get("header", {})})


def _check_content(request: Received, expected: Mapping[str, Any], params: Mapping[str, str]) -> None:
    form = expected.get("format", "form")
    if not params:
        assert request.body == b"", "no parameters are sent"
    else:
        assert (request.json if form == "json" else request.form) == params


def check_fields(request: Received, wanted: Mapping[str, str]) -> None:
    """These header fields and no others, but for those of HTTP; without Authorization unless it is among them."""
    expected = {name.lower(): value for name, value in wanted.items()}
    names = [name.lower() for name, _ in request.headers]
    assert len(set(names)) == len(names), f"fields that came twice: {names}"
    arrived = {name.lower(): value for name, value in request.headers}
    assert arrived.get("authorization") == expected.get("authorization")
    if "accept" in expected:
        assert arrived.get("accept") == expected["accept"]
    else:
        assert arrived.get("accept") in _ANY_ACCEPT
    own = {name: value for name, value in arrived.items() if name not in OF_HTTP or name in expected}
    assert own == expected


def placed(credential: Any, values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Where a credential stands, as {"header": {name: value}} or {"query": {name: value}}."""
    if isinstance(credential, str):
        return {"header": {"Authorization": str(filled(credential, values))}}
    if "basic" in credential:
        pair = str(filled(credential["basic"], values)).encode()
        return {"header": {credential["header"]: "Basic " + base64.b64encode(pair).decode()}}
    for place in ("header", "query"):
        if place in credential:
            return {place: {credential[place]: str(filled(credential["value"], values))}}
    return {}


def _credential(expected: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    if "credential" in expected:
        return placed(expected["credential"], values)
    authorization = expected.get("authorization", "none")
    if authorization == "bearer":
        return placed("Bearer ACCESS_TOKEN", values)
    if authorization in ("basic", "basic_raw"):
        encode = quote_plus if authorization == "basic" else str
        pair = f"{encode(values['CLIENT_ID'])}:{encode(values['CLIENT_SECRET'])}"
        return {"header": {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}}
    return {}
