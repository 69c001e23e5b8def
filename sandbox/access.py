"""Who may make an API call: the bearer token, its scopes, the rate limit."""

from collections.abc import Sequence

from sandbox.errors import expired_authentication, invalid_authentication, missing_scopes, rate_limited
from sandbox.state import AccessToken, Account
from sandbox.wire import Call
from sandbox.world import Sandbox, timestamp

GROUP = "publicapi:oauth-api-calls"


def admit(sandbox: Sandbox, call: Call, any_of: Sequence[str], *, is_search: bool = False) -> Account:
    """The account that the call's access token opens; any one of the scopes is enough.

    Counts the call and notes the rate fields of the reply; search has its own limit and no fields.
    Raises SandboxError: 401, 403, 429.
    """
    token = bearer(sandbox, call)
    account = sandbox.state.accounts.get(token.hub_id or 0)
    if account is None or account.is_deleted:
        raise invalid_authentication()
    if is_search:
        _count_search(sandbox, token)
    else:
        _count(sandbox, call, token)
    if not any(name in token.scopes for name in any_of):
        raise missing_scopes(any_of)
    return account


def bearer(sandbox: Sandbox, call: Call) -> AccessToken:
    """The access token of the Authorization field. Raises SandboxError (401)."""
    kind, _, text = call.request.headers.get("Authorization", "").partition(" ")
    token = sandbox.state.access_tokens.get(text.strip()) if kind.lower() == "bearer" else None
    if token is None:
        raise invalid_authentication()
    if token.expires_at <= sandbox.now():
        raise expired_authentication(sandbox.now() - token.expires_at, timestamp(token.expires_at))
    return token


def _count(sandbox: Sandbox, call: Call, token: AccessToken) -> None:
    limit = sandbox.behaviour.rateLimit
    if limit is None:
        return
    remaining = sandbox.api_limit.admit((token.hub_id, token.client_id), limit=limit, now=sandbox.now())
    call.reply_headers |= {
        "X-HubSpot-RateLimit-Max": str(limit),
        "X-HubSpot-RateLimit-Remaining": str(remaining or 0),
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    }
    if remaining is None:
        group = f"{GROUP}-ten-secondly:{token.hub_id}:{token.client_id}"
        raise rate_limited(
            "TEN_SECONDLY_ROLLING", group, retry_after_seconds=sandbox.behaviour.retryAfterSeconds
        )


def _count_search(sandbox: Sandbox, token: AccessToken) -> None:
    limit = sandbox.behaviour.searchRateLimit
    if limit is None:
        return
    if sandbox.search_limit.admit((token.hub_id, token.client_id), limit=limit, now=sandbox.now()) is None:
        group = f"{GROUP}-secondly:{token.hub_id}:{token.client_id}"
        raise rate_limited("SECONDLY", group, retry_after_seconds=sandbox.behaviour.retryAfterSeconds)
