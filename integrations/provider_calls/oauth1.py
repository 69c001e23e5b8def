"""The two token endpoints of OAuth 1.0a (RFC 5849 sections 2.1 and 2.3), through requests-oauthlib."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from requests_oauthlib import OAuth1Session

from egress import sync
from integrations import catalogue
from integrations.catalogue import OAuth1, Provider
from integrations.errors import ProviderError, ProviderRefused, ProviderReplyUnreadable, ProviderUnavailable
from integrations.oauth.errors import TokenEndpointError, UnreadableTokenResponse
from integrations.oauth.oauth1 import TokenPair, read_token_answer
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.verdicts import ALWAYS_TEMPORARY, Verdict
from integrations.provider_calls.transport import TOKEN_LIMITS, send

log = structlog.get_logger(__name__)
#: oauth_problem values that speak of our client or of our clock, not of this customer
_CLIENT_WORDS = ("consumer", "signature", "timestamp", "nonce", "version", "parameter")


def fetch_request_token(
    provider: Provider, *, client: ClientAuthentication, callback: str, values: Mapping[str, str]
) -> TokenPair:
    """Temporary credentials, with the callback confirmed. values fill the address. Raises ProviderError."""
    rules = _rules(provider)
    session = OAuth1Session(
        client.client_id,
        client_secret=client.client_secret,
        callback_uri=callback,
        signature_method=rules.signature_method,
    )
    return _ask(provider, session, rules.request_token_endpoint, values, needs_confirmation=True)


def fetch_access_token(
    provider: Provider,
    *,
    client: ClientAuthentication,
    request_token: TokenPair,
    verifier: str,
    values: Mapping[str, str],
) -> TokenPair:
    """The customer's credentials for the temporary ones. Raises ProviderError."""
    rules = _rules(provider)
    session = OAuth1Session(
        client.client_id,
        client_secret=client.client_secret,
        resource_owner_key=request_token.token,
        resource_owner_secret=request_token.secret,
        verifier=verifier,
        signature_method=rules.signature_method,
    )
    return _ask(provider, session, rules.access_token_endpoint, values)


def _rules(provider: Provider) -> OAuth1:
    if provider.oauth1 is None:
        raise ProviderReplyUnreadable("The provider's entry names no endpoints of OAuth 1.0a.")
    return provider.oauth1


def _ask(
    provider: Provider,
    session: OAuth1Session,
    endpoint: str,
    values: Mapping[str, str],
    *,
    needs_confirmation: bool = False,
) -> TokenPair:
    url = catalogue.render_url(provider, endpoint, values)
    with sync.harden(session, limits=TOKEN_LIMITS) as hardened:
        reply = send("POST", url, headers={}, session=hardened)
    if 300 <= reply.status < 400:
        raise ProviderReplyUnreadable(
            "The provider's token endpoint redirects, so its entry is wrong.",
            evidence=f"HTTP {reply.status} from the token endpoint",
            status=reply.status,
        )
    try:
        return read_token_answer(reply.status, reply.body, needs_confirmation=needs_confirmation)
    except TokenEndpointError as error:
        failed = _provider_error(error)
        log.warning("token endpoint refused", provider=provider.id, status=reply.status, evidence=str(error))
        raise failed from error


def _provider_error(error: TokenEndpointError) -> ProviderError:
    evidence, status = str(error)[:500], error.status
    if status >= 500 or status in ALWAYS_TEMPORARY:
        return ProviderUnavailable(
            "The provider could not answer just now.", evidence=evidence, status=status
        )
    if isinstance(error, UnreadableTokenResponse):
        return ProviderReplyUnreadable("The provider's reply is no token.", evidence=evidence, status=status)
    problem = error.error or ""
    is_ours = any(word in problem for word in _CLIENT_WORDS)
    return ProviderRefused(
        "The provider refused.",
        error=problem,
        verdict=Verdict.CLIENT_WRONG if is_ours else Verdict.GRANT_GONE,
        evidence=evidence,
        status=status,
    )
