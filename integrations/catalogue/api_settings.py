"""The API part of an entry: where requests may go, what they carry, what the answers say. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .oauth_settings import NOTHING

TimeUnit = Literal["s", "ms", "epoch_s", "epoch_ms", "http_date", "iso8601", "duration", "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialPlacement:
    """Where our access token goes: `Authorization: Bearer`, another header, HTTP Basic, or the query.

    In HTTP Basic the pair is `prefix`, the token and `suffix`. `oauth1`: each request is signed with it
    (RFC 5849 section 3).
    """

    kind: Literal["bearer", "header", "basic", "query", "oauth1"] = "bearer"
    name: str = "Authorization"
    prefix: str = ""
    suffix: str = ":"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerCredential:
    """Where the vendor's own SDK puts its token: read as the partner's key there, and always stripped.

    `scheme` is the word before the key in a header (Bearer, token); None: the value is the key.
    """

    kind: Literal["header", "query"]
    name: str
    scheme: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPath:
    """Paths that partners may not call; compared after percent-decoding, without regard to case.

    `pattern` names segments: `{any}` is any one segment or part of one, `**` any number of them, so that `/oauth/**`
    is /oauth and all below it. `prefix` in its place: every path that begins so. `host` None: on every host.
    `instead` tells partners what to do, where there is something.
    """

    pattern: str | None = None
    prefix: str | None = None
    host: str | None = None
    instead: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredSignal:
    """An API answer that says that the access token expired: a status and, if given, a value in its JSON.

    `only_when_stale`: the answer has other meanings too and counts only when the token is not known to be
    fresh by its own lifetime.
    """

    status: int
    path: str | None = None
    values: tuple[str, ...] = ()
    only_when_stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitHeaders:
    """Header names of one window. `interval` names a header, `interval_seconds` is a fixed window.

    `resource` names a header that tells which of several limits of the account the others are of, as GitHub's
    search has one of its own.
    """

    limit: str | None = None
    remaining: str | None = None
    reset: str | None = None
    reset_unit: TimeUnit = "s"
    interval: str | None = None
    interval_unit: Literal["s", "ms"] = "s"
    interval_seconds: int | None = None
    resource: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitBodyRule:
    """A JSON body that tells which limit was hit; `wait_seconds` is how long to wait without Retry-After.

    `is_lasting`: longer than any call waits, so that nothing is tried again. `statuses`: what the rule is
    looked for in beside the statuses of all limits, as a GraphQL API says so with 200.
    """

    path: str
    values: tuple[str, ...]
    wait_seconds: int | None = None
    is_lasting: bool = False
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitRules:
    """How the provider says that there were too many calls.

    `exhausted_statuses` say so only when a limit field tells that nothing is left, as GitHub's 403 does.
    """

    statuses: tuple[int, ...] = (429,)
    exhausted_statuses: tuple[int, ...] = ()
    headers: tuple[RateLimitHeaders, ...] = ()
    body_rules: tuple[RateLimitBodyRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAfterRule:
    """Where the waiting time is. `source` "header": `name` is a field name; "body": a path.

    `unit` "auto" reads a number as seconds and anything else as an HTTP date (RFC 9110 section 10.2.3).
    """

    source: Literal["header", "body"] = "header"
    name: str = "Retry-After"
    unit: TimeUnit = "auto"
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The provider's API.

    `hosts` are exact host templates; a placeholder is one DNS label, or a captured host whose suffix was
    checked. `headers` are added when the caller sent none; a header whose values the connection lacks is
    left out. `response_header_timeout_seconds` None: the platform's default.
    """

    base_url: str
    hosts: tuple[str, ...]
    credential: CredentialPlacement = CredentialPlacement()
    caller_credentials: tuple[CallerCredential, ...] = ()
    headers: Mapping[str, str] = NOTHING
    closed_paths: tuple[ClosedPath, ...] = ()
    response_header_timeout_seconds: int | None = None
    expired_signals: tuple[ExpiredSignal, ...] = ()
    rate_limit: RateLimitRules | None = None
    retry_after: tuple[RetryAfterRule, ...] = (RetryAfterRule(),)
