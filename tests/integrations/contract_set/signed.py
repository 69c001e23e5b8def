"""Requests that are signed by OAuth 1.0a, looked at as the provider does (RFC 5849 section 3.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from oauthlib.common import Request
from oauthlib.oauth1.rfc5849 import signature

from tests.provider_server import Received

FORM = "application/x-www-form-urlencoded"


def told(request: Received) -> dict[str, str]:
    """The protocol's parameters of a request, from its header (section 3.5.1)."""
    value = request.header("Authorization") or ""
    assert value.startswith("OAuth "), "the request is not signed"
    return {unquote(name): unquote(text) for name, text in re.findall(r'(\w+)="([^"]*)"', value)}


def is_signed(request: Received, *, client_id: str, client_secret: str, token_secret: str) -> bool:
    """What the provider finds when it verifies the signature, by HMAC-SHA1."""
    own = told(request)
    is_form = (request.header("Content-Type") or "").startswith(FORM)
    query = parse_qsl(request.target.partition("?")[2], keep_blank_values=True)
    asked = Request(request.url, http_method=request.method)
    asked.params = signature.collect_parameters(
        uri_query=urlencode(query),  # oauthlib's own reading refuses brackets, which servers take
        body=request.body.decode() if is_form else [],
        headers={"Authorization": request.header("Authorization")},
        exclude_oauth_signature=True,
    )
    asked.signature = own["oauth_signature"]
    is_right = bool(signature.verify_hmac_sha1(asked, client_secret, token_secret))
    return is_right and own["oauth_consumer_key"] == client_id


def is_expected(credential: Any) -> bool:
    """Whether a file of replies says of a request that it is signed."""
    return isinstance(credential, dict) and credential.get("oauth1") is True


def verified(request: Received, values: Mapping[str, str]) -> Received:
    """The request without its signature, which is that of the customer's token. Raises AssertionError."""
    secret = values.get("TOKEN_SECRET", "")
    known = {"client_id": values["CLIENT_ID"], "client_secret": values["CLIENT_SECRET"]}
    assert is_signed(request, **known, token_secret=secret), "the signature is wrong"
    assert told(request)["oauth_token"] == values["ACCESS_TOKEN"]
    rest = tuple(pair for pair in request.headers if pair[0].lower() != "authorization")
    return replace(request, headers=rest)
