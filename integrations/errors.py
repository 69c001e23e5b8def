"""What can go wrong with a connection; one class per thing that a caller does about it.

IntegrationsError
├── NotFound                 nothing there (or not yours): 404, same answer for both
│   └── ConnectionNotFound
├── ConnectionAmbiguous      name the connection
├── ConnectionPaused         resume it
├── ReconnectRequired        ask the customer
├── RefreshUnavailable       try again in retry_after seconds
├── LinkUnusable             ask for a new link (expired, used, revoked)
├── InvalidInput             fix the field
├── CallbackRefused          show a page: the callback cannot be matched to an attempt
├── ConnectFailed            show a page: the attempt ended without a connection
└── ProviderError            what a provider call gave
    ├── ProviderUnavailable      temporary: try later
    ├── ProviderRefused          the provider said no; has the protocol's error code
    └── ProviderReplyUnreadable  not an answer of the protocol
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


class IntegrationsError(Exception):
    """Base of all; str() is a sentence that may be shown and holds no secret."""


class NotFound(IntegrationsError):
    """Unknown, or another partner's: callers cannot tell which."""


class ConnectionNotFound(NotFound):
    """No such connection for this caller."""


class ConnectionAmbiguous(IntegrationsError):
    """Several connections of one customer fit and none is called `default`."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("Several connections fit; name one with connectionName.")
        self.names = list(names)


class ConnectionPaused(IntegrationsError):
    """The connection exists, and use of it was stopped."""


class ReconnectRequired(IntegrationsError):
    """The grant is gone, or never was; only the customer can bring it back."""

    def __init__(self, reason: str, sentence: str, *, reconnect_url: str | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.reconnect_url = reconnect_url


class RefreshUnavailable(IntegrationsError):
    """No usable access token just now. retry_after: whole seconds, at most 60."""

    def __init__(self, sentence: str, *, retry_after: int) -> None:
        super().__init__(sentence)
        self.retry_after = max(1, min(60, retry_after))


class LinkUnusable(IntegrationsError):
    """A connect link that cannot be used any more. reason: expired, used or revoked."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The link {'has expired' if reason == 'expired' else 'was ' + reason}.")
        self.reason = reason


class InvalidInput(IntegrationsError):
    """A value that cannot be used; field is the public name of the parameter."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class CallbackRefused(IntegrationsError):
    """A callback that belongs to no attempt of this browser.

    reason: no_state, error_without_state, unknown_state, other_browser, no_cookie, expired, not_ours, malformed.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class ConnectFailed(IntegrationsError):
    """An attempt that ended without a connection; reason is a code kept on the attempt."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class ProviderError(IntegrationsError):
    """What a call to a provider's OAuth endpoints ended in. evidence is one masked line for staff.

    rule: which rule has judged the reply, in words; reason: the status reason that it asks for. "" for none.
    retry_after: for how long the provider asks to be left alone, if it does.
    """

    rule = ""
    reason = ""
    retry_after: timedelta | None = None

    def __init__(self, sentence: str, *, evidence: str = "", status: int | None = None) -> None:
        super().__init__(sentence)
        self.evidence = evidence
        self.status = status


class ProviderUnavailable(ProviderError):
    """Temporary. outcome_unknown: the request may have been carried out although no reply came.

    timed_out tells a provider that was too slow from one that could not be reached or said so.
    """

    def __init__(
        self,
        sentence: str,
        *,
        evidence: str = "",
        status: int | None = None,
        outcome_unknown: bool = False,
        timed_out: bool = False,
    ) -> None:
        super().__init__(sentence, evidence=evidence, status=status)
        self.outcome_unknown = outcome_unknown
        self.timed_out = timed_out


class ProviderRefused(ProviderError):
    """The provider answered no. error is the protocol's code, verdict one of oauth.verdicts."""

    def __init__(
        self, sentence: str, *, error: str, verdict: str, evidence: str = "", status: int | None = None
    ):
        super().__init__(sentence, evidence=evidence, status=status)
        self.error = error
        self.verdict = verdict


class ProviderReplyUnreadable(ProviderError):
    """The reply was none of the protocol: HTML, a redirect, too large, no token."""
