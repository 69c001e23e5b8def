"""The answer of the token endpoint: a token response (RFC 6749 section 5.1) or an error (section 5.2)."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from .errors import InvalidTokenValue, UnreadableTokenResponse
from .masking import display_text, is_secret_name, mask_secrets
from .members import Members
from .token_content import Content, read_content
from .token_failure import code_text, failure, is_told
from .token_values import clean_token
from .verdicts import as_text

#: how a provider tells the end of a token: a length of time, or a moment
Unit = Literal["s", "ms", "epoch_s", "epoch_ms", "iso8601"]
TEN_YEARS_SECONDS = 315_576_000
#: a moment of the year 2286, in milliseconds
_LARGEST = 10**13
DEFAULT_TOKEN_TYPE = "bearer"  # noqa: S105 - a scheme, not a secret
DEEPEST = 12
LONGEST_CONTENT_TYPE = 200
_DECIMAL = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
_TOKEN_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~:/\-]{1,64}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Where servers put the refresh token's life: Microsoft and GitHub, Keycloak, Intuit.
REFRESH_LIFETIMES = ("refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in")


class Paths(Protocol):
    """Dotted paths to the members of a token answer."""

    @property
    def access_token(self) -> str: ...
    @property
    def refresh_token(self) -> str: ...
    @property
    def expires_in(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def token_type(self) -> str: ...
    @property
    def refresh_token_expires_in(self) -> str | None: ...
    @property
    def error(self) -> str: ...
    @property
    def error_description(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPaths:
    """The standard's places; refresh_token_expires_in None looks at the names in common use."""

    access_token: str = "access_token"  # noqa: S105 - a path, not a secret
    refresh_token: str = "refresh_token"  # noqa: S105
    expires_in: str = "expires_in"
    scope: str = "scope"
    token_type: str = "token_type"  # noqa: S105
    refresh_token_expires_in: str | None = None
    error: str = "error"
    error_description: str = "error_description"


class ErrorRule(Protocol):
    """A 2xx answer is an error when the value at `path`, as JSON text, is one of `values`; without values,
    when it is there and neither null, false, 0 nor empty."""

    @property
    def path(self) -> str: ...
    @property
    def values(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessErrorRule:
    """An ErrorRule of our own making, for callers without a catalogue entry."""

    path: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResponse:
    """A usable answer. `repr` and `str` show neither tokens nor members.

    token_type: as the provider wrote it, "bearer" when it did not. expires_in: whole seconds, 0 is expired
    now, None unknown. refresh_token_expires_in: whole seconds, None unknown or without limit. scopes: in the
    provider's order, None when it told none. members: everything, for captures by path. raw: the same without
    secrets and fit for storing. warnings: what was odd, without values.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    token_type: str
    expires_in: int | None
    refresh_token_expires_in: int | None
    scopes: tuple[str, ...] | None
    raw: Mapping[str, Any] = field(repr=False)
    members: Members = field(repr=False)
    warnings: tuple[str, ...] = ()


def parse_token_response(
    status: int,
    content_type: str,
    body: bytes,
    *,
    paths: Paths = TokenPaths(),
    success_error_rules: Sequence[ErrorRule] = (),
    scope_separators: Iterable[str] = " ,",
    expires_in_unit: Unit = "s",
    known_secrets: Iterable[str] = (),
) -> TokenResponse:
    """Read an answer of the token endpoint, whatever its status and content type.

    known_secrets: what the request carried (client secret, code, verifier, refresh token), to be hidden
    should the answer quote it. scope_separators: the characters between scopes, beside white space. Raises
    TokenEndpointError when the status is not 2xx, when the answer reports an error at any status or holds
    no access token; UnreadableTokenResponse, a subclass, when it cannot be read or the token not be sent.
    """
    known = tuple(known_secrets)
    content_type = display_text(mask_secrets(content_type, known=known), max_length=LONGEST_CONTENT_TYPE)
    content = read_content(status, content_type, body, known=known)
    members = Members(content.members)
    reason = _failure_reason(status, members, paths, success_error_rules)
    if reason is None:
        access_token = _token(members, paths.access_token, status, content_type, is_sent_in_header=True)
        reason = None if access_token else "the answer holds no access token"
    if reason is not None or access_token is None:
        raise failure(
            reason or "",
            status=status,
            content_type=content_type,
            members=members,
            error_path=paths.error,
            description_path=paths.error_description,
            known=known,
        )
    refresh_token = _token(members, paths.refresh_token, status, content_type, is_sent_in_header=False)
    return _response(content, members, paths, access_token, refresh_token, scope_separators, expires_in_unit)


def _failure_reason(status: int, members: Members, paths: Paths, rules: Sequence[ErrorRule]) -> str | None:
    if not 200 <= status < 300:
        return "the token endpoint refused"
    if is_told(members.at(paths.error)) or is_told(members.at("error")):
        return "the answer reports an error"
    # Slack and its like; nobody who gives a token says that it is not ok.
    if members.get("ok") is False or members.get("success") is False:
        return "the answer says that it is not ok"
    for rule in rules:
        value = members.at(rule.path)
        if (as_text(value) in rule.values and value is not None) if rule.values else is_told(value):
            return "the answer reports an error"
    return None


def _token(
    members: Members, path: str, status: int, content_type: str, *, is_sent_in_header: bool
) -> str | None:
    name = path.rpartition(".")[2]
    try:
        return clean_token(members.at(path), name=name, is_sent_in_header=is_sent_in_header)
    except InvalidTokenValue as error:
        reason = str(error)
    raise UnreadableTokenResponse(reason, status=status, content_type=content_type)


def _response(
    content: Content,
    members: Members,
    paths: Paths,
    access_token: str,
    refresh_token: str | None,
    scope_separators: Iterable[str],
    expires_in_unit: Unit,
) -> TokenResponse:
    warnings = [
        f"{code_text(name) or 'a member'} came more than once, the last value counts"
        for name in content.repeated
    ]
    lifetime_path = paths.refresh_token_expires_in or next(
        (name for name in REFRESH_LIFETIMES if name in members), REFRESH_LIFETIMES[0]
    )
    hidden = {access_token, refresh_token or access_token}
    raw = _without_secrets(content.members, hidden, DEEPEST)
    return TokenResponse(
        access_token=access_token,
        refresh_token=refresh_token,
        token_type=_token_type(members.at(paths.token_type), hidden, warnings),
        expires_in=_lifetime(members, paths.expires_in, expires_in_unit, warnings),
        # Keycloak and others: 0 is a refresh token without limit.
        refresh_token_expires_in=_lifetime(members, lifetime_path, expires_in_unit, warnings) or None,
        scopes=_scopes(members, paths.scope, "".join(scope_separators), warnings),
        raw=raw,
        members=members,
        warnings=tuple(warnings),
    )


def _token_type(value: object, hidden: Iterable[str], warnings: list[str]) -> str:
    if value is None or value == "":
        return DEFAULT_TOKEN_TYPE
    if not isinstance(value, str) or _TOKEN_TYPE.fullmatch(value.strip()) is None or value in hidden:
        warnings.append("token_type is unusable, taken as bearer")
        return DEFAULT_TOKEN_TYPE
    return value.strip()


def _lifetime(members: Members, path: str, unit: Unit, warnings: list[str]) -> int | None:
    """Whole seconds from 0 to ten years, fractions rounded down; anything else counts as missing.

    A moment that has passed is 0: the token is there, and is to be renewed before it is used.
    """
    parent, _, name = path.rpartition(".")
    holder = members.at(parent) if parent else members
    if not isinstance(holder, Mapping) or name not in holder:
        return None
    seconds = _seconds(holder[name], unit)
    if seconds is None or not 0 <= seconds <= TEN_YEARS_SECONDS:
        warnings.append(f"{name} is unusable, taken as missing")
        return None
    return seconds


def _seconds(value: object, unit: Unit) -> int | None:
    if unit == "iso8601":
        ends_at = _moment(value)
        return None if ends_at is None else max(0, math.floor(ends_at - time.time()))
    number = _number(value)
    if number is None:
        return None
    if unit in ("ms", "epoch_ms"):
        number /= 1000
    return max(0, math.floor(number - time.time())) if unit.startswith("epoch") else math.floor(number)


def _moment(value: object) -> float | None:
    """A date and time of ISO 8601 as a time since the epoch; one without an offset is UTC."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        # Compared as an integer first: one beyond 2**1024 does not become a float.
        return value if abs(value) <= _LARGEST else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        return float(value)
    return None


def _scopes(members: Members, path: str, separators: str, warnings: list[str]) -> tuple[str, ...] | None:
    value = members.at(path)
    if value is None and path in ("scope", "scopes"):
        value = members.at("scopes" if path == "scope" else "scope")
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) < len(items):
        warnings.append("scope holds something other than text")
        if not texts:
            return None
    split_at = str.maketrans(dict.fromkeys(separators, " "))
    words = (word for text in texts for word in _UNSTORABLE.sub("\ufffd", text).translate(split_at).split())
    return tuple(dict.fromkeys(words))


def _without_secrets(value: Any, hidden: set[str], depth: int) -> Any:
    """Without secret-looking members, the tokens themselves, and what no database takes (NUL, surrogates)."""
    if isinstance(value, str):
        return None if any(token in value for token in hidden) else _UNSTORABLE.sub("\ufffd", value)
    if depth == 0 and isinstance(value, dict | list):
        return None
    if isinstance(value, dict):
        return {
            _UNSTORABLE.sub("\ufffd", name): _without_secrets(member, hidden, depth - 1)
            for name, member in value.items()
            if not is_secret_name(name) and not any(token in name for token in hidden)
        }
    if isinstance(value, list):
        return [_without_secrets(member, hidden, depth - 1) for member in value]
    return value
