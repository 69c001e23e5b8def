"""Ending a grant at the provider (RFC 7009, or the provider's own way)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote

from integrations import catalogue
from integrations.catalogue import Provider, Revocation
from integrations.errors import ProviderReplyUnreadable, ProviderUnavailable
from integrations.oauth import token_request
from integrations.oauth.token_request import ClientAuthentication, TokenRequest
from integrations.provider_calls.transport import SIDE_LIMITS, call_with_token, send_request


class Revoked(StrEnum):
    """What the event tells."""

    CONFIRMED = "confirmed"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


def revoke(
    provider: Provider, *, client: ClientAuthentication, tokens: Mapping[str, str], values: Mapping[str, str]
) -> Revoked:
    """Send the first token that the provider takes and that is there; the refresh token where both serve (REF-32).

    Raises ProviderUnavailable when trying later may help.
    """
    rules = provider.revocation
    kind = None if rules is None else next((name for name in rules.sends if name in tokens), None)
    if rules is None or kind is None:
        return Revoked.UNSUPPORTED
    url = catalogue.render_url(provider, rules.url.replace("{token}", "PATCHBAY-TOKEN"), values)
    url = url.replace("PATCHBAY-TOKEN", quote(tokens[kind], safe=""))
    if rules.auth == "bearer":
        reply = call_with_token(
            rules.method, url, access_token=tokens.get("access_token", ""), headers=rules.headers
        )
    else:
        reply = send_request(_request(rules, url, kind, tokens[kind], client, values), limits=SIDE_LIMITS)
    if reply.status in rules.success_statuses:
        return Revoked.CONFIRMED
    if reply.status in {408, 423, 425, 429} or reply.status >= 500:
        raise ProviderUnavailable("The provider could not answer just now.", evidence=f"HTTP {reply.status}")
    # A token that the provider does not know any more is as revoked as can be.
    if reply.status in {400, 401, 404} and kind == "refresh_token":
        return Revoked.CONFIRMED if _says_invalid(reply.body) else Revoked.FAILED
    return Revoked.FAILED


def _says_invalid(body: bytes) -> bool:
    text = body[:4_096].lower()
    return any(
        word in text for word in (b"invalid_grant", b"invalid_token", b"bad_refresh_token", b"not found")
    )


def _request(
    rules: Revocation,
    url: str,
    kind: str,
    token: str,
    client: ClientAuthentication,
    values: Mapping[str, str],
) -> TokenRequest:
    authentication = ClientAuthentication(
        client_id=client.client_id,
        client_secret=client.client_secret,
        method=rules.auth,
        basic_encoding=client.basic_encoding,
    )
    extra = {name: catalogue.render(template, values) for name, template in rules.params.items()}
    if "{token}" in rules.url or rules.method != "POST":
        headers = dict(rules.headers)
        if rules.auth == "client_secret_basic":
            headers["Authorization"] = authentication.authorization_field() or ""
        return TokenRequest(url, headers, b"", rules.method)  # type: ignore[arg-type]  # DELETE is sent as it is
    if rules.token_parameter != "token":  # noqa: S105 (a parameter's name)
        extra[rules.token_parameter] = token
    request = token_request.revocation_request(
        url,
        token=token,
        client=authentication,
        token_type_hint=kind if rules.token_type_hint else None,
        body_format=rules.body_format,
        extra_params=extra,
        extra_headers=rules.headers,
    )
    if rules.auth == "none" and not client.client_id:
        raise ProviderReplyUnreadable("No client to revoke with.")
    return request
