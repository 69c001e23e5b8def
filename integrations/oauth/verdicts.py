"""What a failed token call means for the connection (design rule 3)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from .errors import TokenEndpointError, UnreadableTokenResponse


class Verdict(StrEnum):
    """Whose problem it is, and so what happens next."""

    GRANT_GONE = "grant_gone"
    CLIENT_WRONG = "client_wrong"
    TEMPORARY = "temporary"
    UNKNOWN = "unknown"


class Rule(Protocol):
    """A provider's own rule. Every condition that is given must hold; without any, the rule never matches.

    statuses: HTTP status codes. errors: values of `error`. fields: per dotted path of the body the values of
    which one must be there, as text. description_pattern: a regular expression found, without regard to case,
    in the error description or in a top-level `message`. reason: the status reason to show, "" for the usual.
    Statuses that are temporary whatever the body says are judged by a rule only when `statuses` names them.
    """

    @property
    def verdict(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def statuses(self) -> Collection[int]: ...
    @property
    def errors(self) -> Collection[str]: ...
    @property
    def fields(self) -> Mapping[str, Collection[str]]: ...
    @property
    def description_pattern(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRule:
    """A Rule of our own making, for callers without a catalogue entry."""

    verdict: str
    reason: str = ""
    statuses: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    description_pattern: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict, the rule that led to it in words, and the status reason that the rule asks for ("" for none)."""

    verdict: Verdict
    rule: str
    reason: str = ""


# Whatever the body says: a gateway that quotes invalid_grant is still a gateway in trouble. 477 is HubSpot's
# "account is being moved".
ALWAYS_TEMPORARY = frozenset({408, 423, 425, 429, 477})

# About the address or the form of the request (RFC 9110 section 15.5), so that asking the customer again would
# change nothing: an endpoint that has moved, a method or format that is not taken, a proxy on the way.
ABOUT_THE_REQUEST = frozenset({404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 421, 426, 431})

# RFC 6749 section 5.2, OpenID Connect Core section 3.1.2.6. access_denied belongs to the authorization
# endpoint (section 4.1.2.1); a token endpoint that says it tells that the owner, or the owner's
# administrator, no longer allows this client, which only a person can change. unsupported_grant_type is
# about the request that we make, so that asking the customer again would change nothing.
DEFAULT_VERDICTS: Mapping[str, Verdict] = MappingProxyType(
    {
        "invalid_grant": Verdict.GRANT_GONE,
        "interaction_required": Verdict.GRANT_GONE,
        "consent_required": Verdict.GRANT_GONE,
        "login_required": Verdict.GRANT_GONE,
        "access_denied": Verdict.GRANT_GONE,
        "invalid_client": Verdict.CLIENT_WRONG,
        "unauthorized_client": Verdict.CLIENT_WRONG,
        "unsupported_grant_type": Verdict.CLIENT_WRONG,
        "temporarily_unavailable": Verdict.TEMPORARY,
        "server_error": Verdict.TEMPORARY,
        "slow_down": Verdict.TEMPORARY,
    }
)
# No scope is sent with a refresh, so that a server which complains of scopes complains of those of the grant.
DEFAULT_REASONS: Mapping[str, str] = MappingProxyType({"invalid_scope": "scope_withdrawn"})


def classify(
    error: TokenEndpointError | None, *, status: int | None = None, rules: Sequence[Rule] = ()
) -> Verdict:
    """The verdict on a failed token call; see judge."""
    return judge(error, status=status, rules=rules).verdict


def judge(
    error: TokenEndpointError | None, *, status: int | None = None, rules: Sequence[Rule] = ()
) -> Judgement:
    """What a failed token call means, and by which rule.

    error None with status None is a call that got no answer (timeout, refused, DNS). The provider's own rules
    come first, in order; under a status that is temporary whatever the body says only those that name that
    status. Then such statuses, then the codes of RFC 6749, then the status alone. Redirects, pages, what cannot
    be read and what speaks of the request are temporary: none of them speaks about this grant.
    """
    status = error.status if status is None and error is not None else status
    if status is None:
        return Judgement(verdict=Verdict.TEMPORARY, rule="no answer came")
    is_hushed = status >= 500 or status in ALWAYS_TEMPORARY
    for number, rule in enumerate(rules, start=1):
        if error is not None and (not is_hushed or status in rule.statuses) and _holds(rule, error, status):
            return Judgement(
                verdict=Verdict(rule.verdict),
                rule=f"rule {number} of the provider's file",
                reason=rule.reason,
            )
    if is_hushed:
        return Judgement(verdict=Verdict.TEMPORARY, rule=f"HTTP {status} is temporary whatever the body says")
    return _by_code(error, status)


def _by_code(error: TokenEndpointError | None, status: int) -> Judgement:
    code = error.error if error is not None else None
    if code is not None and code in DEFAULT_VERDICTS:
        return Judgement(verdict=DEFAULT_VERDICTS[code], rule=f"{code} as RFC 6749 means it")
    if isinstance(error, UnreadableTokenResponse):
        return Judgement(verdict=Verdict.TEMPORARY, rule="no answer of a token endpoint")
    if status in ABOUT_THE_REQUEST:
        return Judgement(
            verdict=Verdict.TEMPORARY, rule=f"HTTP {status} speaks of the request, not of the grant"
        )
    if code is None and status < 400:
        return Judgement(verdict=Verdict.TEMPORARY, rule=f"HTTP {status} without a token")
    told = "an error that no rule knows" if code is not None else f"HTTP {status} without an error code"
    return Judgement(verdict=Verdict.UNKNOWN, rule=told, reason=DEFAULT_REASONS.get(code or "", ""))


def _holds(rule: Rule, error: TokenEndpointError, status: int) -> bool:
    conditions = []
    if rule.statuses:
        conditions.append(status in rule.statuses)
    if rule.errors:
        conditions.append(error.error is not None and error.error in rule.errors)
    for path, values in rule.fields.items():
        conditions.append(_has_value(error, path, values))
    if rule.description_pattern:
        conditions.append(_describes(error, rule.description_pattern))
    return bool(conditions) and all(conditions)


def _has_value(error: TokenEndpointError, path: str, values: Collection[str]) -> bool:
    value = error.members.at(path)
    return any(as_text(item) in values for item in (value if isinstance(value, list) else [value]))


def _describes(error: TokenEndpointError, pattern: str) -> bool:
    texts = (error.error_description, error.members.at("message"))
    return any(
        isinstance(text, str) and re.search(pattern, text[:2_000], re.IGNORECASE) is not None
        for text in texts
    )


def as_text(value: object) -> str:
    """A JSON value as provider files write it: text as it is, else as JSON (true, 602, null)."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool | int | float) else ""
