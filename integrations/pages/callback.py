"""`/oauth/{slug}/callback`: where the provider sends the customer back, and what the customer then sees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext as _

from accounts.api.problems import Problem
from integrations import connect, errors
from integrations.pages import cookies, links, marks, replies, words
from integrations.pages.replies import Page

#: the provider's own words may be part of the sentence (CAL-15)
MAX_SENTENCE_CHARACTERS = 500


class CallbackView(Page):
    """Ends the attempt that the callback's `state` names. Neither `code` nor `state` gets onto a page.

    Connected, denied and failed attempts are answered with 200, or with 302 to the partner's returnUrl; a
    callback that belongs to no attempt of this browser with 400.
    """

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        if request.method == "HEAD":  # asks about the address, does not come back
            return HttpResponse(status=204)
        try:
            finished = connect.finish(
                slug, request.META.get("QUERY_STRING", ""), browser_secret=cookies.read(request)
            )
        except errors.CallbackRefused as refused:
            return refused_page(request, refused)
        return answer(request, finished)


def answer(request: HttpRequest, finished: connect.Finished) -> HttpResponse:
    """The result: back to the partner's returnUrl, else as JSON or a page; or the accounts to choose from.

    After a form of ours a page leads back: the form-action of its policy forbids a redirect to another site.
    """
    if finished.outcome == "choosing" and not replies.accepts_json(request):
        return choose_page(request, finished)
    return_url = connect.result_url(finished) if finished.outcome != "choosing" else None
    if return_url and request.method == "POST" and not replies.accepts_json(request):
        context = {**result_context(finished), "return_url": iri_to_uri(return_url)}
        return replies.page(request, "connect/returning.html", context)
    if return_url:
        # not HttpResponseRedirect, which refuses an allowed returnUrl of 2,048 characters plus its result
        return HttpResponse(status=302, headers={"Location": iri_to_uri(return_url)})
    if replies.accepts_json(request):
        return JsonResponse(result_json(finished))
    return replies.page(request, "connect/result.html", result_context(finished))


def choose_page(
    request: HttpRequest, finished: connect.Finished, *, error: str = "", status: int = 200
) -> HttpResponse:
    """The list of accounts, none of them chosen beforehand."""
    partner, integration = finished.link.partner, finished.link.integration
    context = {
        "partner_name": partner.name,
        "provider_name": finished.provider_name,
        "partner_mark": marks.of_name(partner.name),
        "provider_mark": marks.of_provider(integration.provider),
        "accounts": finished.accounts,
        "attempt_id": str(finished.attempt_id),
        "action": reverse("choose", args=[integration.slug]),
        "error": error,
    }
    return replies.page(request, "connect/choose.html", context, status=status)


def refused_page(request: HttpRequest, refused: errors.CallbackRefused) -> HttpResponse:
    problem = Problem("invalid_request", str(refused), {"field": "state", "reason": refused.reason})
    known = words.REFUSED.get(refused.reason) or replace(
        words.REFUSED_OTHERWISE, what_happened=_(str(refused))
    )
    return replies.dead_end(request, problem, known)


def result_json(finished: connect.Finished) -> dict[str, Any]:
    """The result for programs; StackGo's own words for a link made through its paths (contract section 5)."""
    connection = finished.link.connection
    if finished.outcome == "connected" and finished.accepts_json_result:
        identifier = connection.customer.foreign_identifier
        return {"message": "User Registered", "userForeignIdentifier": identifier}
    result: dict[str, Any] = {
        "status": finished.outcome,
        "UUID": str(connection.pk),
        "reason": finished.reason,
        "detail": finished.sentence,
    }
    if finished.outcome == "choosing":
        result["attempt"] = str(finished.attempt_id)
        result["accounts"] = [
            {"id": each.account_id, "name": each.name or None} for each in finished.accounts
        ]
    return result


def result_context(finished: connect.Finished) -> dict[str, Any]:
    """What connect/result.html needs."""
    partner, integration = finished.link.partner, finished.link.integration
    names = {"partner": partner.name, "provider": finished.provider_name, "integration": integration.name}
    is_connected = finished.outcome == "connected"
    return {
        **_outcome_words(finished, names),
        "outcome": finished.outcome,
        "cable": "joined" if is_connected else "broken",
        "partner_mark": marks.of_name(partner.name),
        "provider_mark": marks.of_provider(integration.provider),
        "partner_name": partner.name,
        "provider_name": finished.provider_name,
        "is_typed": not integration.provider.has_consent,
        "account_name": finished.account_name if is_connected else "",
        "warning": _(finished.warning),
        "again_path": "" if is_connected else links.again_path(finished.link),
        "closing": _("You can close this window and go back to %(partner)s.") % names,
    }


def _outcome_words(finished: connect.Finished, names: dict[str, str]) -> dict[str, str]:
    if finished.outcome == "connected":
        return {
            "heading": _("%(integration)s is connected") % names,
            "lead": _("%(partner)s can now use your %(provider)s account.") % names,
        }
    heading = (
        _("Not connected")
        if finished.outcome == "denied"
        else _("%(integration)s could not be connected") % names
    )
    return {"heading": heading, "lead": _what_happened(finished)[:MAX_SENTENCE_CHARACTERS]}


def what_went_wrong(finished: connect.Finished) -> str:
    """Why an attempt did not lead to a connection, in the reader's language."""
    if finished.reason == "refused":
        said = _("%(provider)s does not accept these values. Check them there and type them again.")
        return said % {"provider": finished.provider_name}
    return _what_happened(finished)[:MAX_SENTENCE_CHARACTERS]


def _what_happened(finished: connect.Finished) -> str:
    """The domain's sentence in the reader's language; what the provider said stays in its own words."""
    summary, detail = _(finished.summary), finished.detail
    if finished.reason == "account_mismatch" and detail:
        bound = finished.link.connection
        account = bound.provider_account_name or bound.provider_account_id
        detail = _("It was %(account)s before.") % {"account": account}
    return _("%(summary)s (%(detail)s)") % {"summary": summary, "detail": detail} if detail else summary
