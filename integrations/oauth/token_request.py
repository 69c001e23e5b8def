"""Requests to the token and the revocation endpoint (RFC 6749 sections 4.1.3, 4.4.2 and 6, RFC 7009).

The parameters of each grant come from oauthlib; client authentication, formats and the names that providers
use instead of the standard's are applied here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from oauthlib.oauth2.rfc6749.parameters import prepare_token_request

from .authorization_request import refuse_broken_text, rename, split_endpoint, with_query
from .client_assertion import ASSERTION_TYPE, DEFAULT_RULES, AssertionRules, client_assertion
from .errors import UnsendableRequest

BodyFormat = Literal["form", "json"]
Method = Literal["POST", "GET"]
NOTHING: Mapping[str, str] = MappingProxyType({})
CONTENT_TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAuthentication:
    """How the client proves itself; method is a token_endpoint_auth_method of RFC 8414.

    basic_encoding "form" encodes id and secret before HTTP Basic (RFC 6749 section 2.3.1); "raw" is for
    servers that do not decode them. With private_key_jwt the client_secret is the private key in PEM.
    """

    client_id: str
    client_secret: str | None = None
    method: str = "client_secret_basic"
    basic_encoding: Literal["form", "raw"] = "form"
    assertion: AssertionRules = DEFAULT_RULES

    def __repr__(self) -> str:
        return (
            f"ClientAuthentication(client_id={self.client_id!r}, client_secret=***, method={self.method!r})"
        )

    def values(self) -> dict[str, str]:
        """What templates may use of the client; a secret that there is not is left out."""
        secret = {"client_secret": self.client_secret} if self.client_secret else {}
        return {"client_id": self.client_id, **secret}

    def authorization_field(self) -> str | None:
        """The value of `Authorization`, None when the credentials travel in the content."""
        return self.basic_field() if self.method == "client_secret_basic" else None

    def basic_field(self) -> str:
        """The value of `Authorization` of HTTP Basic, whatever the method of token calls is."""
        encode = quote_plus if self.basic_encoding == "form" else str
        pair = f"{encode(self.client_id)}:{encode(self._secret())}"
        return "Basic " + base64.b64encode(pair.encode()).decode("ascii")

    def parameters(self, endpoint: str) -> dict[str, str]:
        """The client parameters of the content of a request to that address.

        Raises UnsendableRequest for a method not known here, and for a key that cannot sign.
        """
        refuse_broken_text({"client_id": self.client_id, "client_secret": self.client_secret or ""})
        if not self.client_id:
            raise UnsendableRequest("client_id is empty")
        if self.method == "client_secret_basic":
            return {}
        if self.method == "client_secret_post":
            return {"client_id": self.client_id, "client_secret": self._secret()}
        if self.method == "none":
            return {"client_id": self.client_id}
        if self.method == "private_key_jwt":
            signed = client_assertion(self.client_id, self._secret(), endpoint=endpoint, rules=self.assertion)
            return {
                "client_id": self.client_id,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": signed,
            }
        raise UnsendableRequest(f"token_endpoint_auth_method {self.method!r} is not supported")

    def _secret(self) -> str:
        if not self.client_secret:
            raise UnsendableRequest("client_secret is empty")
        return self.client_secret


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One HTTP request, ready to send; `repr` shows neither query, fields nor content."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: Method = "POST"

    def __repr__(self) -> str:
        parts = urlsplit(self.url)
        return f"<TokenRequest {self.method} {parts.scheme}://{parts.hostname}{parts.path}>"


def authorization_code_request(
    token_endpoint: str,
    *,
    code: str,
    redirect_uri: str,
    client: ClientAuthentication,
    code_verifier: str | None = None,
    body_format: BodyFormat = "form",
    extra_params: Mapping[str, str] = NOTHING,
    extra_headers: Mapping[str, str] = NOTHING,
    parameter_names: Mapping[str, str] = NOTHING,
    method: Method = "POST",
) -> TokenRequest:
    """Exchange a code (RFC 6749 section 4.1.3); `redirect_uri` exactly as it was sent to authorize.

    `extra_params` never replaces a standard parameter that is sent; `parameter_names` renames those, or
    leaves one out with an empty name. Raises UnsendableRequest.
    """
    refuse_broken_text({"code": code, "redirect_uri": redirect_uri, "code_verifier": code_verifier or ""})
    standard = _grant(
        "authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=code_verifier or None
    )
    standard |= client.parameters(token_endpoint)
    parameters = dict(extra_params) | rename(standard, parameter_names)
    return _request(token_endpoint, parameters, client, body_format, extra_headers, method)


def refresh_token_request(
    token_endpoint: str,
    *,
    refresh_token: str,
    client: ClientAuthentication,
    scope: str | None = None,
    body_format: BodyFormat = "form",
    extra_params: Mapping[str, str] = NOTHING,
    extra_headers: Mapping[str, str] = NOTHING,
    parameter_names: Mapping[str, str] = NOTHING,
    method: Method = "POST",
) -> TokenRequest:
    """Renew an access token (RFC 6749 section 6). Without `scope` the grant's scopes stay as they are."""
    refuse_broken_text({"refresh_token": refresh_token, "scope": scope or ""})
    standard = _grant("refresh_token", refresh_token=refresh_token)
    if scope:
        standard["scope"] = scope
    standard |= client.parameters(token_endpoint)
    parameters = dict(extra_params) | rename(standard, parameter_names)
    return _request(token_endpoint, parameters, client, body_format, extra_headers, method)


def client_credentials_request(
    token_endpoint: str,
    *,
    client: ClientAuthentication,
    scopes: Sequence[str] = (),
    scope_separator: str = " ",
    body_format: BodyFormat = "form",
    extra_params: Mapping[str, str] = NOTHING,
    extra_headers: Mapping[str, str] = NOTHING,
    parameter_names: Mapping[str, str] = NOTHING,
    method: Method = "POST",
) -> TokenRequest:
    """Ask for a token of the client itself (RFC 6749 section 4.4.2)."""
    scope = scope_separator.join(scopes)
    refuse_broken_text({"scope": scope})
    standard = _grant("client_credentials")
    if scope:
        standard["scope"] = scope
    standard |= client.parameters(token_endpoint)
    parameters = dict(extra_params) | rename(standard, parameter_names)
    return _request(token_endpoint, parameters, client, body_format, extra_headers, method)


def revocation_request(
    revocation_endpoint: str,
    *,
    token: str,
    client: ClientAuthentication,
    token_type_hint: str | None = None,
    body_format: BodyFormat = "form",
    extra_params: Mapping[str, str] = NOTHING,
    extra_headers: Mapping[str, str] = NOTHING,
) -> TokenRequest:
    """Give a token back (RFC 7009 section 2.1)."""
    standard = {"token": token}
    if token_type_hint:
        standard["token_type_hint"] = token_type_hint
    parameters = dict(extra_params) | standard | client.parameters(revocation_endpoint)
    return _request(revocation_endpoint, parameters, client, body_format, extra_headers, "POST")


def plain_request(url: str, *, parameters: Mapping[str, str], method: Method) -> TokenRequest:
    """A token call that is none of the standard's: only what the parameters hold, in the query or as a form."""
    nobody = ClientAuthentication(client_id="-", method="none")
    return _request(url, parameters, nobody, "form", NOTHING, method)


def pushed_authorization_request(
    pushed_authorization_request_endpoint: str, *, parameters: Mapping[str, str], client: ClientAuthentication
) -> TokenRequest:
    """Send the parameters of an authorization request ahead (RFC 9126 section 2.1), client_id among them."""
    content = dict(parameters) | client.parameters(pushed_authorization_request_endpoint)
    return _request(pushed_authorization_request_endpoint, content, client, "form", NOTHING, "POST")


def _grant(grant_type: str, **members: str | None) -> dict[str, str]:
    form = prepare_token_request(grant_type, **members)
    return dict(parse_qsl(form, keep_blank_values=True, strict_parsing=True))


def _request(
    url: str,
    parameters: Mapping[str, str],
    client: ClientAuthentication,
    body_format: BodyFormat,
    extra_headers: Mapping[str, str],
    method: Method,
) -> TokenRequest:
    endpoint = split_endpoint(url, name="token_endpoint")
    if endpoint.fragment:
        raise UnsendableRequest("token_endpoint has a fragment")
    refuse_broken_text(parameters)
    headers = {name: value for name, value in extra_headers.items() if name.lower() not in _OWN_FIELDS}
    headers["Accept"] = "application/json"
    # An entry may write the field itself, where the client is proved in a way of the provider's own.
    authorization = client.authorization_field() or extra_headers.get("Authorization")
    if authorization is not None:
        headers["Authorization"] = authorization
    if method == "GET":
        own = dict(parse_qsl(endpoint.query, keep_blank_values=True))
        return TokenRequest(with_query(endpoint, own | dict(parameters)), headers, b"", "GET")
    headers["Content-Type"] = CONTENT_TYPES[body_format]
    content = json.dumps(dict(parameters)) if body_format == "json" else urlencode(dict(parameters))
    return TokenRequest(url, headers, content.encode("ascii"), "POST")


_OWN_FIELDS = frozenset({"accept", "authorization", "content-type"})
