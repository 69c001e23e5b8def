"""The token endpoint: a code for tokens, a refresh token for tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import structlog

from integrations import catalogue
from integrations.catalogue import ExchangeStep, Provider
from integrations.errors import ProviderError, ProviderRefused, ProviderReplyUnreadable, ProviderUnavailable
from integrations.oauth import token_request
from integrations.oauth.errors import TokenEndpointError, UnreadableTokenResponse, UnsendableRequest
from integrations.oauth.token_request import ClientAuthentication, TokenRequest
from integrations.oauth.token_response import TokenResponse, parse_token_response
from integrations.oauth.verdicts import Judgement, Verdict, judge
from integrations.provider_calls.transport import send_request

log = structlog.get_logger(__name__)


def exchange_code(
    provider: Provider,
    *,
    client: ClientAuthentication,
    code: str,
    redirect_uri: str,
    code_verifier: str | None,
    values: Mapping[str, str],
) -> TokenResponse:
    """RFC 6749 section 4.1.3, and the further calls that the entry asks for. values fill the provider's templates.

    Raises ProviderError.
    """
    oauth = provider.oauth
    known = _with_client(values, client)
    try:
        request = token_request.authorization_code_request(
            catalogue.render_url(provider, oauth.token_endpoint, values),
            code=code,
            redirect_uri=redirect_uri,
            client=client,
            code_verifier=code_verifier,
            body_format=oauth.token_body_format,
            extra_params=catalogue.render_all(oauth.token_params, known),
            extra_headers=catalogue.render_all(oauth.token_headers, known),
            parameter_names=oauth.token_parameter_names,
            method=oauth.token_method,
        )
    except UnsendableRequest as error:
        raise unsendable(error) from error
    response = _send(provider, request, known_secrets=(client.client_secret, code, code_verifier))
    for step in oauth.exchange_chain:
        response = _next_in_chain(provider, step, client=client, response=response, values=values)
    return response


def _next_in_chain(
    provider: Provider,
    step: ExchangeStep,
    *,
    client: ClientAuthentication,
    response: TokenResponse,
    values: Mapping[str, str],
) -> TokenResponse:
    """A token for a token, as Facebook gives a long-lived one for a short-lived one."""
    tokens = {"access_token": response.access_token, "refresh_token": response.refresh_token or ""}
    parameters = catalogue.render_all(step.params, {**_with_client(values, client), **tokens})
    try:
        request = token_request.plain_request(
            catalogue.render_url(provider, step.url, values), parameters=parameters, method=step.method
        )
    except UnsendableRequest as error:
        raise unsendable(error) from error
    following = _send(provider, request, known_secrets=(client.client_secret, *tokens.values()))
    if following.refresh_token is None and provider.oauth.renews_with == "refresh_token":
        following = replace(following, refresh_token=response.refresh_token)
    return following if following.scopes is not None else replace(following, scopes=response.scopes)


def refresh(
    provider: Provider, *, client: ClientAuthentication, refresh_token: str, values: Mapping[str, str]
) -> TokenResponse:
    """RFC 6749 section 6. Raises ProviderError."""
    oauth = provider.oauth
    endpoint = oauth.refresh_endpoint or oauth.token_endpoint
    if oauth.refresh_auth_method is not None:
        client = replace(client, method=oauth.refresh_auth_method)
    known = {**_with_client(values, client), "refresh_token": refresh_token}
    try:
        request = token_request.refresh_token_request(
            catalogue.render_url(provider, endpoint, values),
            refresh_token=refresh_token,
            client=client,
            body_format=oauth.token_body_format,
            extra_params=catalogue.render_all(oauth.refresh_params, known),
            extra_headers=catalogue.render_all(oauth.token_headers, known),
            parameter_names=oauth.refresh_parameter_names,
            method=oauth.refresh_method,
        )
    except UnsendableRequest as error:
        raise unsendable(error) from error
    secrets = (client.client_secret, refresh_token)
    return _send(provider, request, known_secrets=secrets, may_keep_connection=True)


def fetch_client_token(
    provider: Provider, *, client: ClientAuthentication, scopes: Sequence[str], values: Mapping[str, str]
) -> TokenResponse:
    """RFC 6749 section 4.4: a token of the client itself. A refresh token has no place in it (section 4.4.3).

    Raises ProviderError.
    """
    oauth = provider.oauth
    known = _with_client(values, client)
    try:
        request = token_request.client_credentials_request(
            catalogue.render_url(provider, oauth.token_endpoint, values),
            client=client,
            scopes=scopes if oauth.scope.is_sent else (),
            scope_separator=oauth.scope.separator,
            body_format=oauth.token_body_format,
            extra_params=catalogue.render_all(oauth.token_params, known),
            extra_headers=catalogue.render_all(oauth.token_headers, known),
            parameter_names=oauth.token_parameter_names,
            method=oauth.token_method,
        )
    except UnsendableRequest as error:
        raise unsendable(error) from error
    response = _send(provider, request, known_secrets=(client.client_secret,), may_keep_connection=True)
    return replace(response, refresh_token=None)


def _with_client(values: Mapping[str, str], client: ClientAuthentication) -> dict[str, str]:
    return {**values, **client.values()}


def unsendable(error: UnsendableRequest) -> ProviderError:
    """Our settings do not make a request: our client's fault, no customer's."""
    refused = ProviderRefused(
        "The integration's settings do not make a request.",
        error="unsendable_request",
        verdict=Verdict.CLIENT_WRONG,
        evidence=str(error),
    )
    refused.rule = "the settings make no request"
    return refused


def _send(
    provider: Provider,
    request: TokenRequest,
    *,
    known_secrets: Iterable[str | None],
    may_keep_connection: bool = False,
) -> TokenResponse:
    reply = send_request(request, may_keep_connection=may_keep_connection)
    if 300 <= reply.status < 400:
        # Following would hand the client secret and the code to whoever the redirect names (TOK-23).
        redirected = ProviderReplyUnreadable(
            "The provider's token endpoint redirects, so its entry is wrong.",
            evidence=f"HTTP {reply.status} from the token endpoint",
            status=reply.status,
        )
        redirected.rule = "redirects are not followed"
        raise redirected
    oauth = provider.oauth
    try:
        response = parse_token_response(
            reply.status,
            reply.content_type,
            reply.body,
            paths=oauth.token_paths,
            success_error_rules=oauth.success_error_rules,
            scope_separators=oauth.scope.granted_separators,
            expires_in_unit=oauth.expires_in_unit,
            known_secrets=[secret for secret in known_secrets if secret],
        )
    except TokenEndpointError as error:
        failed = provider_error(provider, error, status=reply.status)
        failed.retry_after = reply.retry_after
        raise failed from error
    for warning in response.warnings:
        log.warning("odd token reply", provider=provider.id, warning=warning)
    if oauth.renews_with == "access_token":
        return replace(response, refresh_token=response.access_token)
    return replace(response, refresh_token=None) if oauth.renews_with == "nothing" else response


def provider_error(provider: Provider, error: TokenEndpointError, *, status: int) -> ProviderError:
    """The protocol's error as what a caller does about it; the log gets codes and masked text alone."""
    judgement = judge(error, status=status, rules=provider.oauth.verdicts)
    evidence = str(error)[:500]
    log.warning(
        "token endpoint refused",
        provider=provider.id,
        status=status,
        verdict=judgement.verdict,
        rule=judgement.rule,
        evidence=evidence,
        # Written without "=", after which the log's masker takes an error's code for an authorization code.
        codes=", ".join(f"{path} {value}" for path, value in error.fields.items()),
    )
    made = _as_provider_error(error, judgement, evidence=evidence, status=status)
    made.rule, made.reason = judgement.rule, judgement.reason
    return made


def _as_provider_error(
    error: TokenEndpointError, judgement: Judgement, *, evidence: str, status: int
) -> ProviderError:
    verdict = judgement.verdict
    if verdict == Verdict.TEMPORARY and status >= 400:
        return ProviderUnavailable(
            "The provider could not answer just now.", evidence=evidence, status=status
        )
    if isinstance(error, UnreadableTokenResponse) and verdict == Verdict.TEMPORARY:
        return ProviderReplyUnreadable("The provider's reply is no token.", evidence=evidence, status=status)
    return ProviderRefused(
        "The provider refused.", error=error.error or "", verdict=verdict, evidence=evidence, status=status
    )
