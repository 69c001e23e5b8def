"""Replies that refuse, in HubSpot's shapes.

    SandboxError        one refusal: status, JSON body, extra header fields
      OAuthError        a refusal of the OAuth endpoints; its body depends on the version that was called

Sources: HubSpot's "Error handling" page, the token documentation and public captures of replies.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

SCOPES_PAGE = "https://developers.hubspot.com/scopes"

# status field -> (message, RFC 6749 error). HubSpot's own words where they have been seen.
OAUTH_ERRORS: Mapping[str, tuple[str, str]] = {
    "BAD_AUTH_CODE": ("missing or unknown auth code", "invalid_grant"),
    "EXPIRED_AUTH_CODE": ("auth code expired", "invalid_grant"),
    "MISMATCH_REDIRECT_URI_AUTH_CODE": ("redirect uri mismatch", "invalid_grant"),
    "BAD_REDIRECT_URI": ("missing or invalid redirect uri", "invalid_request"),
    "BAD_CLIENT_ID": ("missing or invalid client id", "invalid_client"),
    "BAD_CLIENT_SECRET": ("missing or invalid client secret", "invalid_client"),
    "BAD_REFRESH_TOKEN": ("refresh token is invalid, expired or revoked", "invalid_grant"),
    "BAD_HUB": ("missing or unknown hub id", "access_denied"),
    "BAD_GRANT_TYPE": ("missing or unknown grant type", "unsupported_grant_type"),
    "BAD_SCOPES": ("missing or invalid scopes", "invalid_scope"),
    "BAD_CODE_VERIFIER": ("missing or invalid code verifier", "invalid_grant"),
    "BAD_TOKEN": ("missing or invalid token", "invalid_request"),
    "BAD_REQUEST": ("the request must be application/x-www-form-urlencoded", "invalid_request"),
}


class SandboxError(Exception):
    """A refusal. `payload` lacks the correlationId, which the server fills in per request."""

    def __init__(
        self, status: int, payload: dict[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {payload.get('category', '')}".strip())
        self.status = status
        self.payload = payload
        self.headers = dict(headers or {})

    def body(self, correlation_id: str) -> dict[str, Any]:
        """The JSON body as sent, with this request's correlation id."""
        head = {key: self.payload[key] for key in ("status", "message") if key in self.payload}
        return head | {"correlationId": correlation_id} | self.payload


class OAuthError(SandboxError):
    """A refusal of the token endpoint, 400. v1 speaks the older dialect, all others both dialects at once."""

    def __init__(self, name: str, version: str, *, message: str | None = None) -> None:
        text, error = OAUTH_ERRORS[name]
        text = message or text
        self.is_old_dialect = version == "v1"
        payload = {"status": name, "message": text}
        if not self.is_old_dialect:
            payload = {"error": error, "error_description": text, **payload}
        super().__init__(400, payload)

    def body(self, correlation_id: str) -> dict[str, Any]:
        """Both dialects carry no correlation id; the older one does."""
        return super().body(correlation_id) if self.is_old_dialect else dict(self.payload)


def refuse(status: int, message: str, *, category: str | None = None, **more: Any) -> SandboxError:
    """A generic HubSpot error body."""
    payload: dict[str, Any] = {"status": "error", "message": message}
    if category:
        payload["category"] = category
    return SandboxError(status, payload | more)


def invalid(message: str, **more: Any) -> SandboxError:
    """400: the input breaks a rule of the endpoint."""
    return refuse(400, message, category="VALIDATION_ERROR", **more)


def invalid_properties(problems: Sequence[Mapping[str, Any]]) -> SandboxError:
    """400 with HubSpot's JSON inside the message text."""
    text = "Property values were not valid: " + json.dumps(list(problems), separators=(",", ":"))
    return invalid(text)


def not_found(message: str = "resource not found") -> SandboxError:
    """404 for an unknown record or path."""
    return refuse(404, message, category="OBJECT_NOT_FOUND")


def method_not_allowed(allowed: Sequence[str]) -> SandboxError:
    """405 with the Allow field that RFC 9110 section 15.5.6 asks for."""
    error = refuse(405, "HTTP 405 Method Not Allowed")
    error.headers["Allow"] = ", ".join(sorted(set(allowed)))
    return error


def missing_scopes(any_of: Sequence[str]) -> SandboxError:
    """403: the token lacks every scope that would be enough."""
    return refuse(
        403,
        "This app hasn't been granted all required scopes to make this call. "
        f"Read more about required scopes here: {SCOPES_PAGE}.",
        category="MISSING_SCOPES",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(any_of)},
            }
        ],
        links={"scopes": SCOPES_PAGE},
    )


def invalid_authentication() -> SandboxError:
    """401: no credential, or one that is none."""
    return refuse(
        401,
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
        "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        category="INVALID_AUTHENTICATION",
    )


def expired_authentication(seconds_ago: float, expire_time: str) -> SandboxError:
    """401: the access token has expired. The key "expire time" contains a space at HubSpot too."""
    seconds = max(0, int(seconds_ago))
    unit, count = "second(s)", seconds
    if seconds >= 86_400:
        unit, count = "day(s)", seconds // 86_400
    elif seconds >= 120:
        unit, count = "minute(s)", seconds // 60
    return refuse(
        401,
        f"The OAuth token used to make this call expired {count} {unit} ago.",
        category="EXPIRED_AUTHENTICATION",
        context={"expire time": [expire_time]},
    )


def rate_limited(policy: str, group: str, *, retry_after_seconds: float | None) -> SandboxError:
    """429. policy is TEN_SECONDLY_ROLLING or SECONDLY; HubSpot does not promise Retry-After."""
    error = refuse(
        429,
        f"You have reached your {policy.lower()} limit.",
        errorType="RATE_LIMIT",
        policyName=policy,
        groupName=group,
        category="RATE_LIMITS",
    )
    if retry_after_seconds is not None:
        error.headers["Retry-After"] = f"{retry_after_seconds:g}"
    return error


def new_correlation_id() -> str:
    """A fresh id for one request."""
    return str(uuid.uuid4())
