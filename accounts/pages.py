"""Error pages and error replies for whatever Django itself refuses: HTML for people, problem+json for programs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounts.api import problems
from accounts.api.problems import Problem

_PROGRAM_PATHS = ("/api/", "/proxy/", "/webhooks/")
_PROGRAM_PAGES = frozenset({"/oauth/token", "/healthz", "/readyz"})


def wants_json(request: HttpRequest) -> bool:
    """True for the programs' paths, and where Accept asks for JSON and not for HTML."""
    accept = request.headers.get("Accept", "")
    is_for_programs = request.path.startswith(_PROGRAM_PATHS) or request.path in _PROGRAM_PAGES
    return is_for_programs or ("json" in accept and "text/html" not in accept)


def error_page(request: HttpRequest, problem: Problem, *, heading: str, advice: str) -> HttpResponse:
    """The problem as JSON, in English, or as a page that says what happened, whose side it is on, and the next step."""
    request_id = problems.request_id_of(request)
    if wants_json(request):
        return problems.render(problem, request_id)
    context = {"heading": heading, "advice": advice, "request_id": request_id, "status": problem.status}
    response = render(request, "accounts/error.html", context, status=problem.status)
    response["Cache-Control"] = "no-store"
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    problem = Problem("invalid_request", "The request cannot be read.", {"field": "request"})
    return error_page(
        request,
        problem,
        heading=_("This request cannot be read"),
        advice=_("Check the address and try again."),
    )


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_page(
        request,
        Problem("permission_denied"),
        heading=_("You may not open this page"),
        advice=_("Ask the person who runs this installation for the right to open it."),
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_page(
        request,
        Problem("not_found"),
        heading=_("There is nothing here"),
        advice=_("Check the address. A link that you were given may have been mistyped or cut short."),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    return error_page(
        request,
        Problem("internal_error", "Something failed on our side; the request id finds it in the log."),
        heading=_("Something failed on our side"),
        advice=_(
            "Try again in a minute. If it goes on, give the reference below to the people who run this site."
        ),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that did not come from our own page, or came without its cookie."""
    return error_page(
        request,
        Problem("permission_denied", "The form did not come from our own page, or cookies are blocked."),
        heading=_("The form could not be accepted"),
        advice=_("Allow cookies for this site, open the link again, and send the form from there."),
    )
