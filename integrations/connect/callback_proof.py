"""What a callback must prove before its code is worth a request: issuer, signature, captured values."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl, urlencode

from integrations import catalogue, tokens
from integrations.catalogue import InvalidConnectionField, MissingValue
from integrations.connect.granted import config_of
from integrations.errors import ConnectFailed
from integrations.models import AuthorizationAttempt
from integrations.oauth.callback import Callback, check_issuer, parse_callback
from integrations.oauth.errors import IssuerMismatch
from sealing import Secret


def check_sender(attempt: AuthorizationAttempt, answer: Callback) -> None:
    """Whether the server that was asked has answered, be it with an error (RFC 9207). Raises ConnectFailed.

    An error that names no issuer is taken: it ends this browser's attempt whoever wrote it, without a code that
    could go astray, and servers that name themselves beside every code leave it out of a customer's no.
    """
    provider = attempt.client.integration.provider
    if provider.oauth.issuer is None:
        return
    config = config_of(attempt)
    issuer = catalogue.render_url(provider, provider.oauth.issuer, config)
    is_promised = provider.oauth.authorization_response_iss_parameter_supported and answer.error is None
    try:
        check_issuer(issuer, answer.iss, promised=is_promised)
    except IssuerMismatch as error:
        raise ConnectFailed("issuer_mismatch", "") from error


def prove(attempt: AuthorizationAttempt, *, answer: Callback, query_string: str) -> dict[str, str]:
    """The values that the entry captures from the callback. Raises ConnectFailed before any network call."""
    if not answer.code:
        raise ConnectFailed("bad_response", "The answer holds no code.")
    if attempt.client.integration.provider.oauth.callback_hmac == "shopify":
        _check_shopify(attempt, query_string)
    return _captured(attempt, query_string)


def _captured(attempt: AuthorizationAttempt, query_string: str) -> dict[str, str]:
    """Unknown parameters are dropped; hosts are checked against the provider's list (CAL-16)."""
    rules = attempt.client.integration.provider.oauth.callback_captures
    answer = parse_callback(query_string, captures=[rule.parameter for rule in rules])
    config = config_of(attempt)
    values = {}
    for rule in rules:
        raw = answer.captured.get(rule.parameter)
        if raw is None:
            continue
        try:
            values[rule.store_as] = catalogue.captured(rule, raw, values=config)
        except (InvalidConnectionField, MissingValue) as error:
            raise ConnectFailed("bad_parameter", f"{rule.parameter}: {error.reason}") from error
    return values


def _check_shopify(attempt: AuthorizationAttempt, query_string: str) -> None:
    """Shopify signs the query with the client secret: HMAC-SHA256 in hex over the sorted parameters but `hmac`."""
    pairs = parse_qsl(query_string, keep_blank_values=True)
    given = dict(pairs).get("hmac", "")
    signed = urlencode(sorted((name, value) for name, value in pairs if name != "hmac"), safe=":/")
    for is_next in (False, True):
        secret = tokens.client_secret(attempt.client, is_next=is_next)
        if secret is not None and _is_signed(secret, signed, given):
            return
    raise ConnectFailed("bad_parameter", "The answer is not signed by the provider.")


def _is_signed(secret: Secret, message: str, given: str) -> bool:
    digest = hmac.new(secret.reveal().encode(), message.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(digest.encode(), given.encode("utf-8", "surrogatepass"))
