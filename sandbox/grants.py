"""Codes, tokens and installs: issued, refreshed, revoked. Knows nothing of HTTP but its error bodies."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sandbox.errors import OAuthError
from sandbox.state import AccessToken, Account, App, Code, RefreshToken
from sandbox.world import Sandbox

KEEP_EXPIRED_SECONDS = 86_400
KEEP_USED_CODE_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Issued:
    """What a token reply hands out. refresh is None for client_credentials."""

    access: AccessToken
    refresh: RefreshToken | None


def issue_code(
    sandbox: Sandbox,
    app: App,
    account: Account,
    *,
    redirect_uri: str,
    scopes: list[str],
    code_challenge: str | None,
) -> Code:
    """A fresh authorization code for a consent that was just given."""
    now = sandbox.now()
    codes = sandbox.state.codes
    for old in [row for row in codes.values() if now - row.issued_at > KEEP_USED_CODE_SECONDS]:
        del codes[old.code]
    code = Code(
        code=_hublet_id(account.hublet),
        client_id=app.client_id,
        hub_id=account.hub_id,
        redirect_uri=redirect_uri,
        scopes=scopes,
        issued_at=now,
        code_challenge=code_challenge,
    )
    codes[code.code] = code
    sandbox.touch()
    return code


def client(sandbox: Sandbox, form: dict[str, str], version: str) -> App:
    """The authenticated client. The id is checked before the secret. Raises OAuthError."""
    app = sandbox.state.apps.get(form.get("client_id", ""))
    if app is None:
        raise OAuthError("BAD_CLIENT_ID", version)
    if not hmac.compare_digest(form.get("client_secret", "").encode(), app.client_secret.encode()):
        raise OAuthError("BAD_CLIENT_SECRET", version)
    return app


def redeem_code(sandbox: Sandbox, app: App, form: dict[str, str], *, version: str) -> Issued:
    """Exchange a code (RFC 6749 section 4.1.3). Only success uses the code up. Raises OAuthError."""
    code = sandbox.state.codes.get(form.get("code", ""))
    if code is None or code.client_id != app.client_id:
        raise OAuthError("BAD_AUTH_CODE", version)
    if sandbox.now() - code.issued_at > sandbox.behaviour.codeLifetimeSeconds:
        raise OAuthError("EXPIRED_AUTH_CODE", version)
    redirect_uri = form.get("redirect_uri", "")
    if redirect_uri not in app.redirect_urls:
        raise OAuthError("BAD_REDIRECT_URI", version)
    if redirect_uri != code.redirect_uri:
        raise OAuthError("MISMATCH_REDIRECT_URI_AUTH_CODE", version)
    if code.code_challenge and not _is_verified(form.get("code_verifier", ""), code.code_challenge):
        raise OAuthError("BAD_CODE_VERIFIER", version)
    account = _account(sandbox, code.hub_id, version)
    del sandbox.state.codes[code.code]
    return Issued(
        _new_access_token(sandbox, app, account.hub_id, scopes=code.scopes),
        _new_refresh_token(sandbox, app, account, scopes=code.scopes),
    )


def grant(sandbox: Sandbox, app: App, account: Account, *, scopes: list[str]) -> Issued:
    """A grant without a browser, for tests that start from existing tokens."""
    return Issued(
        _new_access_token(sandbox, app, account.hub_id, scopes=scopes),
        _new_refresh_token(sandbox, app, account, scopes=scopes),
    )


def refresh(sandbox: Sandbox, app: App, form: dict[str, str], *, version: str) -> Issued:
    """A new access token; with rotation a new refresh token too. Raises OAuthError."""
    token = sandbox.state.refresh_tokens.get(form.get("refresh_token", ""))
    if token is None:
        raise OAuthError("BAD_REFRESH_TOKEN", version)
    if token.client_id != app.client_id:
        raise OAuthError("BAD_REFRESH_TOKEN", version, message="refresh token was not issued to this client")
    account = _account(sandbox, token.hub_id, version)
    current = _current(sandbox, token, version)
    if sandbox.behaviour.rotateRefreshTokens and current is token:
        current = _new_refresh_token(sandbox, app, account, scopes=token.scopes)
        token.rotated_at = sandbox.now()
        token.successor = current.token
    return Issued(_new_access_token(sandbox, app, token.hub_id, scopes=token.scopes), current)


def app_level(sandbox: Sandbox, app: App, scopes: list[str]) -> Issued:
    """A token of client_credentials: of the app, not of an account."""
    return Issued(_new_access_token(sandbox, app, None, scopes=scopes), None)


def uninstall(sandbox: Sandbox, hub_id: int, *, client_id: str | None = None) -> int:
    """Remove the app from an account: refresh and access tokens are dead at once. How many tokens died."""
    state = sandbox.state
    dead = revoke(sandbox, hub_id, client_id=client_id)
    for access in [row for row in state.access_tokens.values() if _is_of(row, hub_id, client_id)]:
        del state.access_tokens[access.token]
        dead += 1
    for code in [row for row in state.codes.values() if _is_of(row, hub_id, client_id)]:
        del state.codes[code.code]
    return dead


def revoke(sandbox: Sandbox, hub_id: int, *, client_id: str | None = None) -> int:
    """End the refresh tokens of an account; issued access tokens work until they expire. How many ended."""
    tokens = sandbox.state.refresh_tokens
    dead = [row for row in tokens.values() if _is_of(row, hub_id, client_id)]
    for row in dead:
        del tokens[row.token]
    sandbox.touch()
    return len(dead)


def _is_of(row: RefreshToken | AccessToken | Code, hub_id: int, client_id: str | None) -> bool:
    return row.hub_id == hub_id and client_id in (None, row.client_id)


def _current(sandbox: Sandbox, token: RefreshToken, version: str) -> RefreshToken:
    """The token to hand back: this one, or within the grace the last of its successors."""
    while token.rotated_at is not None:
        if sandbox.now() - token.rotated_at >= sandbox.behaviour.refreshGraceSeconds:
            raise OAuthError("BAD_REFRESH_TOKEN", version)
        successor = sandbox.state.refresh_tokens.get(token.successor or "")
        if successor is None:
            raise OAuthError("BAD_REFRESH_TOKEN", version)
        token = successor
    return token


def _account(sandbox: Sandbox, hub_id: int, version: str) -> Account:
    account = sandbox.state.accounts.get(hub_id)
    if account is None or account.is_deleted:
        raise OAuthError("BAD_HUB", version)
    return account


def _is_verified(code_verifier: str, code_challenge: str) -> bool:
    """S256 of RFC 7636 section 4.6."""
    digest = hashlib.sha256(code_verifier.encode()).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return hmac.compare_digest(expected, code_challenge.encode())


def _new_access_token(sandbox: Sandbox, app: App, hub_id: int | None, *, scopes: list[str]) -> AccessToken:
    state, now = sandbox.state, sandbox.now()
    for old in _expired(sandbox):
        del state.access_tokens[old]
    # HubSpot's tokens have grown over the years; here they grow from token to token, beyond 512 characters.
    length = 128 + 32 * (state.issued_count % 16)
    state.issued_count += 1
    text = "C" + secrets.token_urlsafe(length)[: length - 1]
    token = AccessToken(text, app.client_id, hub_id, list(scopes), now, now + sandbox.behaviour.expiresIn)
    state.access_tokens[token.token] = token
    sandbox.touch()
    return token


def _expired(sandbox: Sandbox) -> list[str]:
    """Long expired tokens at the old end of the table; it is in order of issue."""
    found: list[str] = []
    for token in sandbox.state.access_tokens.values():
        if sandbox.now() - token.expires_at <= KEEP_EXPIRED_SECONDS:
            break
        found.append(token.token)
    return found


def _new_refresh_token(sandbox: Sandbox, app: App, account: Account, *, scopes: list[str]) -> RefreshToken:
    token = RefreshToken(_hublet_id(account.hublet), app.client_id, account.hub_id, list(scopes))
    sandbox.state.refresh_tokens[token.token] = token
    sandbox.touch()
    return token


def _hublet_id(hublet: str) -> str:
    """The shape of codes and refresh tokens: na1-xxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx."""
    text = secrets.token_hex(14)
    return "-".join([hublet, text[:4], text[4:8], text[8:12], text[12:16], text[16:28]])
