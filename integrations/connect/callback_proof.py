"""What a callback must prove before its code is worth a request: issuer, signature, captured values."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl, urlencode

from integrations import catalogue, tokens
from integrations.catalogue import InvalidConnectionField
from integrations.errors import ConnectFailed
from integrations.models import AuthorizationAttempt
from integrations.oauth.callback import Callback, check_issuer
from integrations.oauth.errors import IssuerMismatch
from sealing import Secret


def prove(attempt: AuthorizationAttempt, *, answer: Callback, query_string: str) -> dict[str, str]:
    """The values that the entry captures from the callback. Raises ConnectFailed before any network call."""
    oauth = attempt.client.integration.provider.oauth
    if oauth.issuer:
        try:
            check_issuer(oauth.issuer, answer.iss, promised=False)
        except IssuerMismatch as error:
            raise ConnectFailed("issuer_mismatch", "") from error
    if not answer.code:
        raise ConnectFailed("bad_response", "The answer holds no code.")
    if oauth.callback_hmac == "shopify":
        _check_shopify(attempt, query_string)
    values = _captured(attempt, query_string)
    _check_same_shop(attempt, values)
    return values


def _captured(attempt: AuthorizationAttempt, query_string: str) -> dict[str, str]:
    """Unknown parameters are dropped; hosts are checked against the provider's list (CAL-16)."""
    parameters = dict(parse_qsl(query_string, keep_blank_values=True))
    values = {}
    for rule in attempt.client.integration.provider.oauth.callback_captures:
        raw = parameters.get(rule.parameter)
        if raw is None:
            continue
        try:
            values[rule.store_as] = catalogue.captured(rule, raw)
        except InvalidConnectionField as error:
            raise ConnectFailed("bad_parameter", f"{rule.parameter}: {error.reason}") from error
    return values


def _check_same_shop(attempt: AuthorizationAttempt, values: dict[str, str]) -> None:
    """A value that was asked of the customer and comes back in the callback must be the same."""
    for name, value in values.items():
        asked = attempt.connection_config.get(name)
        if asked is not None and not hmac.compare_digest(asked.encode(), value.encode()):
            raise ConnectFailed("account_mismatch", f"The answer is for {value}.")


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
