"""Checks of the way to a connection: the authorize URL, the exchange, what is stored, whose account it is."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from integrations import tokens
from integrations.oauth.token_response import parse_token_response
from tests.integrations.contract_set.placeholders import filled
from tests.integrations.contract_set.sent import check_request
from tests.integrations.contract_set.visit import Visit
from tests.provider_server import Received


def check_authorize(visit: Visit) -> None:
    """The address and all parameters, each once; state and challenge are as long as they have to be."""
    expected = visit.replies["authorize"]
    left = visit.consent.left()
    parts = urlsplit(left.url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == expected["url"]
    assert parts.fragment == ""
    assert "+" not in parts.query, "spaces are percent-encoded (RFC 3986)"
    assert left.params == filled(expected["params"], visit.values)
    pushed = visit.replies.call("pushed")
    assert len(left.pushed) == (0 if pushed is None else 1)
    if pushed is not None:
        check_request(left.pushed[0], pushed["request"], visit.values)
    assert len(visit.values["STATE"]) >= 43
    assert len(visit.values["CHALLENGE"]) in (0, 43)


def check_exchange(visit: Visit) -> None:
    """The token request is the first thing that the callback leads to, and there is one alone."""
    expected = visit.replies["token"]["request"]
    first, *chain = visit.connected().token_calls
    values = {**visit.values, "VERIFIER": ""}
    if "code_verifier" in expected.get("params", {}):
        verifier = _sent(first, expected).get("code_verifier", "")
        assert 43 <= len(verifier) <= 128
        assert s256(verifier) == visit.values["CHALLENGE"]
        values["VERIFIER"] = verifier
    check_request(first, expected, values)
    for call, each in zip(chain, visit.replies.items("chain"), strict=True):
        check_request(call, each["request"], values)


def _sent(request: Received, expected: Mapping[str, Any]) -> dict[str, str]:
    if request.method == "GET":
        return request.query
    return dict(request.json) if expected.get("format") == "json" else request.form


def s256(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def check_stored(visit: Visit) -> None:
    """Tokens, lifetimes, granted scopes and captured values."""
    made = visit.connection()
    assert visit.connected().warning == ""
    assert tokens.open_tokens(made) == visit.stored_pair()
    assert made.access_token_lifetime == visit.replies.lifetime_seconds
    _check_lifetime_is_read(visit)
    assert (made.access_token_expires_at is None) == (made.access_token_lifetime is None)
    told = visit.replies.document.get("lifetimes", {})
    if "refresh_token" in told:
        assert made.refresh_token_lifetime == told["refresh_token"]
    assert sorted(made.granted_scopes) == sorted(visit.replies["granted_scopes"] or [])
    assert made.missing_scopes == [], "the reply grants what was asked for"
    assert made.captured == visit.replies.mapping("captured")


def _check_lifetime_is_read(visit: Visit) -> None:
    """Where the reply tells the lifetime it is taken from there: the entry's own may be the same number."""
    seconds = visit.replies.lifetime_seconds
    reply = visit.token_calls()[-1]["reply"]
    if not visit.replies.tells_lifetime:
        return
    oauth = visit.provider.oauth
    response = parse_token_response(
        reply["status"],
        "application/json",
        json.dumps(filled(reply["body"], visit.values)).encode(),
        paths=oauth.token_paths,
        expires_in_unit=oauth.expires_in_unit,
    )
    assert response.expires_in == seconds


def check_identity(visit: Visit) -> None:
    """Each call that tells the account, in order, and what is learnt from them."""
    made = visit.connection()
    expected = visit.replies.items("identity")
    calls = visit.connected().identity_calls
    assert [(call.method, call.url) for call in calls] == [
        (each["request"]["method"], filled(each["request"]["url"], visit.values).partition("?")[0])
        for each in expected
    ]
    for call, each in zip(calls, expected, strict=True):
        check_request(call, each["request"], visit.values)
    account = visit.replies["account"]
    assert made.provider_account_id == account.get("id", "")
    assert made.provider_account_name == account.get("name", "")
    assert (made.provider_account_url or None) == account.get("url")
    assert made.provider_account_data == account.get("extras", {})


def check_callback(visit: Visit) -> None:
    """Callbacks that the file says are not the provider's end the attempt before any call is made."""
    refused = visit.replies.items("refused_callbacks")
    if visit.replies.document.get("callback_signature"):
        refused = [*refused, {**visit.replies.mapping("callback"), "hmac": "0" * 64}]
    for parameters in refused:
        visit.forget()
        visit.consent.left()
        with visit.world():
            visit.script(*visit.token_calls(), *visit.replies.items("identity"))
            finished = visit.consent.come_back(parameters)
        assert finished.outcome == "failed", f"the callback with {sorted(parameters)} was taken"
        assert visit.requests() == []
    if refused:
        visit.forget()
