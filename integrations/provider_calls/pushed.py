"""Sending an authorization request ahead, so that the browser carries a reference alone (RFC 9126)."""

from __future__ import annotations

from collections.abc import Mapping

from integrations import catalogue
from integrations.catalogue import Provider
from integrations.errors import ProviderRefused, ProviderReplyUnreadable, ProviderUnavailable
from integrations.oauth import token_request
from integrations.oauth.errors import TokenEndpointError, UnsendableRequest
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.token_response import parse_token_response
from integrations.oauth.verdicts import Verdict
from integrations.provider_calls.grants import provider_error, unsendable
from integrations.provider_calls.transport import Reply, send_request

#: of what we sent, with a word or without (RFC 9126 section 2.3): no grant is at stake that a wrong guess would end
_REFUSALS = frozenset({400, 401, 403})


def push_authorization_request(
    provider: Provider,
    *,
    client: ClientAuthentication,
    parameters: Mapping[str, str],
    values: Mapping[str, str],
) -> str:
    """The `request_uri` under which the server keeps these parameters. Raises ProviderError.

    values fill the address of the entry's pushed_authorization_request_endpoint.
    """
    endpoint = provider.oauth.pushed_authorization_request_endpoint or ""
    try:
        request = token_request.pushed_authorization_request(
            catalogue.render_url(provider, endpoint, values), parameters=parameters, client=client
        )
    except UnsendableRequest as error:
        raise unsendable(error) from error
    reply = send_request(request)
    if reply.status not in (200, 201):
        _refuse(provider, reply, client)
    document = reply.json()
    request_uri = document.get("request_uri") if isinstance(document, dict) else None
    if not isinstance(request_uri, str) or not request_uri or not request_uri.isprintable():
        raise ProviderReplyUnreadable(
            "The provider gave no reference for the request.", evidence="the answer holds no request_uri"
        )
    return request_uri


def _refuse(provider: Provider, reply: Reply, client: ClientAuthentication) -> None:
    """The error members are those of the token endpoint (RFC 9126 section 2.3), and so are their verdicts."""
    secrets = [client.client_secret] if client.client_secret else []
    try:
        parse_token_response(reply.status, reply.content_type, reply.body, known_secrets=secrets)
    except TokenEndpointError as error:
        made = provider_error(provider, error, status=reply.status)
        if isinstance(made, ProviderUnavailable) and reply.status in _REFUSALS:
            raise ProviderRefused(
                "The provider refused.",
                error="",
                verdict=Verdict.UNKNOWN,
                evidence=made.evidence,
                status=reply.status,
            ) from error
        raise made from error
    raise ProviderReplyUnreadable(
        "The provider gave no reference for the request.", evidence=f"HTTP {reply.status}"
    )
