"""Whether a provider's reply means that the access token has expired, by the rules of its catalogue entry."""

from __future__ import annotations

from datetime import datetime

from integrations.catalogue import Api, ExpiredSignal, as_text, lookup
from integrations.tokens import AccessToken
from proxy.peek import Peek


def signals(api: Api, status: int, token: AccessToken, *, now: datetime) -> list[ExpiredSignal]:
    """The rules that this status could fit. Those with other meanings too need a token not known to be fresh."""
    is_fresh = token.expires_at is not None and now < token.expires_at
    return [
        signal
        for signal in api.expired_signals
        if signal.status == status and not (signal.only_when_stale and is_fresh)
    ]


async def is_told(peek: Peek, rules: list[ExpiredSignal], *, ends: float) -> bool:
    """Whether one of the rules fits. Content is read, until `ends`, only when every rule asks for it.

    Raises EgressError.
    """
    if any(rule.path is None for rule in rules):
        return True
    document = await peek.document(ends=ends)
    if document is None:
        return peek.response.status == 401  # no other reading of a 401 that cannot be read
    return any(_fits(document, rule) for rule in rules)


def _fits(document: object, rule: ExpiredSignal) -> bool:
    assert rule.path is not None
    value = lookup(document, rule.path)
    return value is not None and (not rule.values or as_text(value) in rule.values)
