"""Where the customer's credential stands in a call of ours to the provider's API, as the entry says."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote

from integrations.catalogue import CredentialPlacement, Provider
from integrations.oauth.oauth1 import FORM, Signer, TokenPair
from integrations.oauth.token_request import ClientAuthentication


def basic_value(placement: CredentialPlacement, secret: str) -> str:
    """The value of `Authorization` of HTTP Basic (RFC 7617): the pair is the secret with what the entry puts around."""
    pair = f"{placement.prefix}{secret}{placement.suffix}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def signer(provider: Provider, client: ClientAuthentication) -> Signer:
    """How this client signs at a provider of OAuth 1.0a."""
    method = provider.oauth1.signature_method if provider.oauth1 else "HMAC-SHA1"
    return Signer(client.client_id, client.client_secret or "", method)


def placed(
    provider: Provider,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    client: ClientAuthentication,
    access_token: str,
    form: bytes = b"",
    is_bearer: bool = False,
) -> tuple[str, dict[str, str]]:
    """The URL and the fields of a call, with the credential: as the provider's API wants it, or as a bearer token.

    form: the content of a request that is a form; it is part of what OAuth 1.0a signs.
    """
    placement = provider.api.credential
    if is_bearer or placement.kind == "bearer":
        return url, {**headers, "Authorization": f"Bearer {access_token}"}
    if placement.kind == "query":
        pair = f"{quote(placement.name, safe='')}={quote(placement.prefix + access_token, safe='')}"
        return f"{url}{'&' if '?' in url else '?'}{pair}", dict(headers)
    if placement.kind == "header":
        return url, {**headers, placement.name: f"{placement.prefix}{access_token}"}
    if placement.kind == "basic":
        return url, {**headers, "Authorization": basic_value(placement, access_token)}
    is_form = headers.get("Content-Type") == FORM
    value = signer(provider, client).authorization(
        method, url, pair=TokenPair.of(access_token), form=form.decode("ascii") if is_form else None
    )
    return url, {**headers, "Authorization": value}
