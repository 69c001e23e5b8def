"""The one place where a request to a provider is sent and where failing to get a reply is named."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from requests_oauthlib import OAuth1Session, OAuth2Session

from egress import errors as egress_errors
from egress import sync
from integrations.errors import ProviderReplyUnreadable, ProviderUnavailable
from integrations.oauth.token_request import TokenRequest

#: token calls: 15 s in all, enforced at the socket (design rule 2)
TOKEN_LIMITS = sync.Limits(connect_seconds=5, total_seconds=15, max_content_bytes=1_048_576)
#: side calls (identity, revocation) must not hold a customer's browser as long
SIDE_LIMITS = sync.Limits(connect_seconds=3, total_seconds=8, max_content_bytes=1_048_576)


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """Status, content type and content of a reply, and for how long it asks to be left alone (RFC 9110
    section 10.2.3); its repr shows no content."""

    status: int
    content_type: str
    body: bytes
    retry_after: timedelta | None = None

    def __repr__(self) -> str:
        return f"<Reply {self.status} {self.content_type!r}, {len(self.body)} bytes>"

    def json(self) -> Any:
        """The parsed content. Raises ProviderReplyUnreadable."""
        try:
            return json.loads(self.body.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ProviderReplyUnreadable(
                "The provider's reply is not JSON.", evidence=f"HTTP {self.status} {self.content_type[:80]}"
            ) from error


class _Kept(threading.local):
    """The session of a thread that refreshes many connections in a row."""

    session: OAuth2Session | None = None


_kept = _Kept()


@contextmanager
def kept_connections() -> Iterator[None]:
    """In this block the refreshes of this thread use connections to token endpoints again.

    Nothing else does: a code must not be sent over a connection that may just have ended (case 16 of the
    HubSpot failures), whereas a refresh whose reply was lost is tried once more anyway (REF-03).
    """
    if _kept.session is not None:
        yield
        return
    with sync.harden(OAuth2Session(), limits=TOKEN_LIMITS, keeps_connections=True) as session:
        _kept.session = session
        try:
            yield
        finally:
            _kept.session = None


def send_request(request: TokenRequest, *, may_keep_connection: bool = False) -> Reply:
    """Send a request that carries its own client authentication. Raises as send does."""
    kept = _kept.session if may_keep_connection else None
    return send(
        request.method,
        request.url,
        headers=request.headers,
        body=request.body,
        limits=TOKEN_LIMITS,
        session=kept,
    )


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes = b"",
    limits: sync.Limits = SIDE_LIMITS,
    session: OAuth1Session | OAuth2Session | None = None,
) -> Reply:
    """Send one request as it is given, in a session of its own unless one is given, whose limits then hold.

    The credential that an OAuth2Session may hold is never added; an OAuth1Session signs.

    Raises ProviderUnavailable and ProviderReplyUnreadable.
    """
    with ExitStack() as stack:
        used = session or stack.enter_context(sync.harden(OAuth2Session(), limits=limits))
        options = {"withhold_token": True} if isinstance(used, OAuth2Session) else {}
        try:
            response = sync.request(used, method, url, data=body or None, headers=dict(headers), **options)
        except egress_errors.EgressError as error:
            raise _failure(error) from error
    headers = response.headers
    return Reply(
        response.status_code,
        headers.get("Content-Type", ""),
        response.content,
        _retry_after(headers.get("Retry-After", "")),
    )


def _retry_after(value: str) -> timedelta | None:
    """Seconds or a date, as a time from now; None for anything else and for what has passed."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=min(int(text[:9]), 86_400))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        wait = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)
    return wait if wait > timedelta() else None


def _failure(error: egress_errors.EgressError) -> ProviderUnavailable | ProviderReplyUnreadable:
    evidence = f"{type(error).__name__}: {error.reason}"
    if isinstance(error, egress_errors.ContentTooLarge | egress_errors.InvalidReply):
        return ProviderReplyUnreadable("The provider's reply cannot be read.", evidence=evidence)
    is_unknown = isinstance(error, egress_errors.ReplyLost)
    return ProviderUnavailable(
        "The provider could not be reached.",
        evidence=evidence,
        outcome_unknown=is_unknown,
        timed_out=error.timed_out,
    )
