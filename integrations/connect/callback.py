"""The callback: prove whose it is, claim it once, exchange, store, and show the same outcome to every repeat."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from integrations.connect import choice as choices
from integrations.connect import completion, consented, signed_in
from integrations.connect.granted import Granted
from integrations.errors import CallbackRefused, InvalidInput
from integrations.models import AuthorizationAttempt, Connection, ConnectLink
from integrations.models.link import Outcome
from integrations.oauth import state
from integrations.oauth.callback import Callback, parse_callback
from integrations.provider_calls import Account

#: how long a parallel callback waits for the first one's outcome
WAIT_SECONDS = 25.0
_POLL_SECONDS = 0.1
#: one that was claimed this long ago has no outcome because its process is gone; nobody waits for it
_ABANDONED_AFTER = timedelta(minutes=2)

#: English here and for programs; the pages translate
SENTENCES = {
    "connected": _("You are connected."),
    "choosing": _("You gave access to several accounts. Choose the one to connect."),
    "not_chosen": _("No account was chosen in time. Open the link again to start afresh."),
    "denied": _("You did not grant access, so nothing was connected."),
    "rejected": _("The provider did not accept the authorization. Please try again."),
    "refused": _("The provider does not accept these values. Check them there and type them again."),
    "unavailable": _("The provider could not be reached just now. Please try again in a minute."),
    "bad_response": _("The provider gave an answer that could not be understood. Please try again."),
    "misconfigured": _("The provider does not accept this app's settings. Its operator has to correct them."),
    "account_mismatch": _("You chose another account than the one that was connected before."),
    "integration_gone": _("What you wanted to connect was removed while you were away."),
    "issuer_mismatch": _("The answer came from another server than the one you were sent to."),
    "link_used": _("This link has been used in the meantime."),
    "link_revoked": _("Whoever made the link has taken it back. Nothing was connected."),
    "bad_parameter": _("The provider's answer holds a value that cannot be right."),
    "error": _("The provider reports a problem."),
    "stored_failed": _("The connection could not be stored. Please try again."),
}


@dataclass(frozen=True, slots=True)
class Finished:
    """How an attempt ended, for the result page.

    summary is one of SENTENCES; detail says more, often in the provider's own words, or is "".
    """

    link: ConnectLink
    connection: Connection | None
    outcome: str
    reason: str
    summary: str
    detail: str
    warning: str
    provider_name: str
    account_name: str
    is_repeat: bool
    accepts_json_result: bool
    attempt_id: uuid.UUID
    accounts: tuple[Account, ...] = ()

    @property
    def sentence(self) -> str:
        """summary and detail in one, in English."""
        return f"{self.summary} ({self.detail})" if self.detail else self.summary


def finish(slug: str, query_string: str, *, browser_secret: str | None) -> Finished:
    """Handle one callback request; synchronous, up to the token call's 15 s and the account look-up.

    Raises CallbackRefused when the request belongs to no attempt of this browser. Every later trouble is an
    outcome.
    """
    answer = parse_callback(query_string)
    attempt = _attempt_of(slug, answer, browser_secret)
    is_repeat = not _claim(attempt)
    if is_repeat:
        attempt = _outcome_of_the_first(attempt)
    else:
        completion.complete(attempt, _way_of(attempt, answer, query_string))
        attempt.refresh_from_db()
    return _finished(attempt, is_repeat=is_repeat)


def _way_of(attempt: AuthorizationAttempt, answer: Callback, query_string: str) -> Callable[[], Granted]:
    """What obtains the grant of one who comes back."""
    if attempt.client.integration.provider.auth_kind == "oauth1":
        return partial(signed_in.obtain, attempt, query_string=query_string)
    return partial(consented.obtain, attempt, answer=answer, query_string=query_string)


def choose(slug: str, attempt_id: str, account_id: str, *, browser_secret: str | None) -> Finished:
    """Connect the account that the customer has chosen; once it is connected, the same outcome again.

    Raises CallbackRefused when the attempt is not of this browser and address, and InvalidInput for an account
    that is not one of those that were offered. Every later trouble is an outcome.
    """
    attempt = _own_attempt(slug, attempt_id, browser_secret)
    if attempt.outcome != Outcome.CHOOSING or attempt.choice is None:
        return _finished(attempt, is_repeat=True)
    if choices.is_over(attempt.finished_at, timezone.now()):
        raise CallbackRefused("expired", "That took too long. Open the link again to start afresh.")
    choice = choices.from_json(attempt.choice)
    account = choice.account(account_id)
    if account is None:
        raise InvalidInput("account", _("Choose one of the accounts that are listed."))
    completion.complete_choice(attempt, choice.identity.of(account), token_version=choice.token_version)
    attempt.refresh_from_db()
    return _finished(attempt, is_repeat=False)


def offered(slug: str, attempt_id: str, *, browser_secret: str | None) -> Finished:
    """What there is to choose from, or the outcome. Raises CallbackRefused."""
    return _finished(_own_attempt(slug, attempt_id, browser_secret), is_repeat=True)


def _own_attempt(slug: str, attempt_id: str, browser_secret: str | None) -> AuthorizationAttempt:
    key = choices.attempt_id(attempt_id)
    attempt = _attempts().filter(pk=key).first() if key else None
    if attempt is None:
        raise CallbackRefused(
            "unknown_state", "This attempt is not known. Start again from the link you were given."
        )
    _require_own(attempt, slug, browser_secret)
    return attempt


def _attempts() -> QuerySet[AuthorizationAttempt]:
    return AuthorizationAttempt.objects.select_related(
        "link__integration", "link__connection__customer", "link__partner", "client__integration"
    )


def _attempt_of(slug: str, answer: Callback, browser_secret: str | None) -> AuthorizationAttempt:
    if answer.repeated or answer.malformed:
        raise CallbackRefused("malformed", "The provider's answer cannot be read. Start again from the link.")
    if answer.step and not answer.code:
        raise CallbackRefused(
            "not_ours",
            _("Installing from the provider's marketplace is not offered yet. Start from the app itself."),
        )
    if not answer.state and answer.error:
        # RFC 9126: of a reference that is spent or too old the server knows the client and no state any more. What
        # it says of that could be anybody's words, as nothing here tells who wrote them.
        raise CallbackRefused("error_without_state", SENTENCES["error"])
    if not answer.state:
        raise CallbackRefused(
            "no_state", "The answer names no attempt. Start again from the link you were given."
        )
    attempt = _attempts().filter(state_sha256=state.digest(answer.state)).first()
    if attempt is None:
        raise CallbackRefused(
            "unknown_state", "This attempt is not known. Start again from the link you were given."
        )
    _require_own(attempt, slug, browser_secret)
    if attempt.claimed_at is None and attempt.expires_at <= timezone.now():
        raise CallbackRefused("expired", "That took too long. Open the link again to start afresh.")
    return attempt


def _require_own(attempt: AuthorizationAttempt, slug: str, browser_secret: str | None) -> None:
    """Raise CallbackRefused unless this browser began the attempt, at this address."""
    if browser_secret is None:
        raise CallbackRefused(
            "no_cookie", "The browser sent no cookie. Allow cookies, then open the link again."
        )
    if not state.matches(browser_secret, attempt.browser_sha256):
        raise CallbackRefused(
            "other_browser", "This was begun in another browser. Open the link in this one."
        )
    if attempt.link.integration.slug != slug:
        raise CallbackRefused(
            "not_ours", _("The answer came back to another address than the one that asked.")
        )


def _claim(attempt: AuthorizationAttempt) -> bool:
    """Spend the state by one conditional UPDATE: of parallel callbacks one wins (CAL-04)."""
    now = timezone.now()
    unclaimed = AuthorizationAttempt.objects.filter(pk=attempt.pk, claimed_at=None)
    return bool(unclaimed.update(claimed_at=now, outcome=Outcome.EXCHANGING))


def _outcome_of_the_first(attempt: AuthorizationAttempt) -> AuthorizationAttempt:
    """Wait until the callback that won has an outcome, then show that (CAL-03, CAL-04)."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while True:
        attempt.refresh_from_db()
        if attempt.finished_at is not None or time.monotonic() >= give_up_at or _is_abandoned(attempt):
            return attempt
        time.sleep(_POLL_SECONDS)


def _is_abandoned(attempt: AuthorizationAttempt) -> bool:
    return attempt.claimed_at is not None and timezone.now() - attempt.claimed_at > _ABANDONED_AFTER


def _finished(attempt: AuthorizationAttempt, *, is_repeat: bool) -> Finished:
    link = attempt.link
    outcome = attempt.outcome if attempt.finished_at else Outcome.FAILED
    reason = attempt.outcome_reason if attempt.finished_at else "unavailable"
    connection = (
        Connection.objects.select_related("customer", "integration").filter(pk=link.connection_id).first()
    )
    if outcome != Outcome.CONNECTED:
        connection = None
    return Finished(
        link=link,
        connection=connection,
        outcome=str(outcome),
        reason=reason,
        summary=SENTENCES.get(reason or str(outcome), SENTENCES["error"]),
        detail="" if outcome == Outcome.CONNECTED else attempt.outcome_detail,
        warning=connection.reason_sentence if connection else "",
        provider_name=link.integration.provider.display_name,
        account_name=connection.provider_account_name if connection else "",
        is_repeat=is_repeat,
        accepts_json_result=link.shows_json_result,
        attempt_id=attempt.pk,
        accounts=choices.from_json(attempt.choice).accounts if attempt.choice else (),
    )


def outcome_of(attempt: AuthorizationAttempt) -> Finished:
    """How an attempt ended that has ended just now."""
    return _finished(attempt, is_repeat=False)


def result_url(finished: Finished) -> str | None:
    """returnUrl with `status` and `UUID` merged into its query, or None when the partner gave none.

    The partner's own parameters stay as they were written: a signature over them must still hold.
    """
    if not finished.link.return_url:
        return None
    parts = urlsplit(finished.link.return_url)
    ours = {"status": finished.outcome, "UUID": str(finished.link.connection_id)}
    pairs = parts.query.split("&") if parts.query else []
    kept = [pair for pair in pairs if unquote_plus(pair.partition("=")[0]) not in ours]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(ours)])))
