"""A customer who was at the provider comes back: the code, or what the provider says instead, becomes a grant."""

from __future__ import annotations

from dataclasses import replace

from integrations import tokens
from integrations.catalogue import OAuth
from integrations.connect import callback_proof, granted
from integrations.connect.granted import Granted
from integrations.errors import ConnectFailed, ProviderError
from integrations.models import AuthorizationAttempt
from integrations.oauth.callback import Callback, parse_callback
from integrations.oauth.masking import mask_secrets

#: error codes by which providers tell that the customer said no (RFC 6749 section 4.1.2.1, and what is seen)
_DENIALS = frozenset({"access_denied", "user_denied", "consent_denied", "user_cancelled", "login_cancelled"})
DETAIL_CHARACTERS = 500


def obtain(attempt: AuthorizationAttempt, *, answer: Callback, query_string: str) -> Granted:
    """The token call in the callback request itself, then the account.

    Raises ConnectFailed, TemplateError, UnreadableSecret.
    """
    callback_proof.check_sender(attempt, answer)
    if answer.error:
        raise _told(answer, answer.error)
    values = callback_proof.prove(attempt, answer=answer, query_string=query_string)
    config = {**granted.config_of(attempt), **values}
    try:
        response = tokens.exchange(attempt, code=answer.code or "", values=config)
    except ProviderError as error:
        raise granted.failed(error) from error
    oauth = attempt.client.integration.provider.oauth
    if oauth.scope.granted_in == "callback":
        response = replace(response, scopes=_scopes_told(oauth, query_string))
    rules = oauth.token_captures
    return granted.with_account(attempt, response, captured=values, rules=rules)


def _scopes_told(oauth: OAuth, query_string: str) -> tuple[str, ...] | None:
    """The scopes that the customer has left ticked, where the callback alone tells them (Strava)."""
    told = parse_callback(query_string, captures=["scope"]).captured.get("scope")
    if told is None:
        return None
    blanks = str.maketrans(dict.fromkeys(oauth.scope.granted_separators, " "))
    return tuple(dict.fromkeys(told.translate(blanks).split()))


def _told(answer: Callback, error: str) -> ConnectFailed:
    """The provider's own error, in its own words where it has any."""
    if error in _DENIALS:
        return ConnectFailed("denied", "")
    said = mask_secrets(answer.error_description or error, max_length=DETAIL_CHARACTERS)
    return ConnectFailed("error", said)
