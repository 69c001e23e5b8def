"""Ending a grant at the provider (RFC 7009, or the provider's own way)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from urllib.parse import quote, urlencode

from integrations import catalogue
from integrations.catalogue import Provider, Revocation
from integrations.errors import ProviderRefused, ProviderUnavailable
from integrations.oauth.errors import UnsendableRequest
from integrations.oauth.oauth1 import TokenPair
from integrations.oauth.token_request import CONTENT_TYPES, ClientAuthentication
from integrations.oauth.verdicts import Verdict
from integrations.provider_calls.grants import unsendable
from integrations.provider_calls.placement import placed
from integrations.provider_calls.transport import SIDE_LIMITS, Reply, send

#: a token stands here while the URL template is filled, since templates never see secrets
_TOKEN_PLACE = "patchbay-token"  # noqa: S105 (a placeholder)
#: of RFC 6749 section 5.2 and RFC 6750 section 3.1, and HubSpot's own
_TOKEN_IS_DEAD = (b"invalid_grant", b"invalid_token", b"bad_refresh_token")
_CLIENT_IS_WRONG = (b"invalid_client", b"unauthorized_client", b"bad_client_id", b"bad_client_secret")
_TEMPORARY = frozenset({408, 423, 425, 429})


class Revoked(StrEnum):
    """What the event tells."""

    CONFIRMED = "confirmed"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


def revoke(
    provider: Provider, *, client: ClientAuthentication, tokens: Mapping[str, str], values: Mapping[str, str]
) -> Revoked:
    """Send the first token that the provider takes and that is there; the refresh token where both serve (REF-32).

    Raises ProviderUnavailable when trying later may help, and ProviderRefused when our client is wrong.
    """
    rules = provider.revocation
    kind = None if rules is None else revoked_kind(rules, tokens)
    if rules is None or kind is None:
        return Revoked.UNSUPPORTED
    reply = _ask(provider, rules, kind=kind, client=client, tokens=tokens, values=values)
    if reply.status in rules.success_statuses:
        return Revoked.CONFIRMED
    if reply.status in _TEMPORARY or reply.status >= 500:
        raise ProviderUnavailable("The provider could not answer just now.", evidence=f"HTTP {reply.status}")
    if reply.status in {400, 401} and _says(reply.body, _CLIENT_IS_WRONG):
        raise ProviderRefused(
            "The provider refuses the app's credentials.",
            error="invalid_client",
            verdict=Verdict.CLIENT_WRONG,
            evidence=f"HTTP {reply.status}",
            status=reply.status,
        )
    # A token that the provider does not know any more is as revoked as can be. Where it is the credential of the
    # call as well, its death says nothing of the grant.
    is_told = rules.auth not in {"bearer", "api"}
    is_dead = is_told and reply.status in {400, 401, 404} and _says(reply.body, _TOKEN_IS_DEAD)
    return Revoked.CONFIRMED if is_dead else Revoked.FAILED


def revoked_kind(rules: Revocation, tokens: Mapping[str, str]) -> str | None:
    """The name of the token that is sent: the first that the provider takes and that is there."""
    return next((name for name in rules.sends if name in tokens), None)


def _says(body: bytes, words: tuple[bytes, ...]) -> bool:
    text = body[:4_096].lower()
    return any(word in text for word in words)


def _ask(
    provider: Provider,
    rules: Revocation,
    *,
    kind: str,
    client: ClientAuthentication,
    tokens: Mapping[str, str],
    values: Mapping[str, str],
) -> Reply:
    token = tokens[kind]
    if provider.auth_kind == "oauth1":
        token = TokenPair.of(token).token
    has_token_in_path = "{token}" in rules.url
    known = {**values, "client_id": client.client_id}
    url = catalogue.render_url(provider, rules.url.replace("{token}", _TOKEN_PLACE), known)
    url = url.replace(_TOKEN_PLACE, quote(token, safe=""))
    parameters = {} if has_token_in_path else _parameters(rules, kind, token, client, values)
    if rules.auth == "private_key_jwt":
        parameters |= _signed(client, url)
    headers, body = catalogue.render_all(rules.headers, {**values, **client.values()}), b""
    if rules.method == "GET" and parameters:
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
    elif parameters:
        headers["Content-Type"] = CONTENT_TYPES[rules.body_format]
        text = json.dumps(parameters) if rules.body_format == "json" else urlencode(parameters)
        body = text.encode("ascii")
    url, headers = _with_credential(provider, rules, client, tokens, url=url, headers=headers, body=body)
    return send(rules.method, url, headers=headers, body=body, limits=SIDE_LIMITS)


def _parameters(
    rules: Revocation, kind: str, token: str, client: ClientAuthentication, values: Mapping[str, str]
) -> dict[str, str]:
    parameters = catalogue.render_all(rules.params, {**values, **client.values()})
    if rules.token_parameter is not None:
        parameters[rules.token_parameter] = token
    if rules.token_type_hint:
        parameters["token_type_hint"] = kind
    if rules.auth == "client_secret_post":
        parameters |= {"client_id": client.client_id, "client_secret": client.client_secret or ""}
    return parameters


def _signed(client: ClientAuthentication, url: str) -> dict[str, str]:
    """The assertion in place of a secret (RFC 7523 section 2.2). Raises ProviderRefused when the key cannot sign."""
    try:
        return replace(client, method="private_key_jwt").parameters(url)
    except UnsendableRequest as error:
        raise unsendable(error) from error


def _with_credential(
    provider: Provider,
    rules: Revocation,
    client: ClientAuthentication,
    tokens: Mapping[str, str],
    *,
    url: str,
    headers: dict[str, str],
    body: bytes,
) -> tuple[str, dict[str, str]]:
    """The call with what authenticates it, if anything does."""
    if rules.auth == "client_secret_basic":
        return url, {**headers, "Authorization": client.basic_field()}
    if rules.auth in {"bearer", "api"} and "access_token" in tokens:
        return placed(
            provider,
            rules.method,
            url,
            headers=headers,
            client=client,
            access_token=tokens["access_token"],
            form=body,
            is_bearer=rules.auth == "bearer",
        )
    return url, headers
