"""What the customer's pages have in common: methods, CSRF, speculative requests, no-store, and dead ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from accounts.api import problems
from accounts.api.problems import Problem
from integrations import catalogue, errors
from integrations.pages import words
from integrations.pages.words import DeadEnd

log = structlog.get_logger(__name__)


def accepts_json(request: HttpRequest) -> bool:
    """True where Accept asks for JSON and not for HTML."""
    accept = request.headers.get("Accept", "")
    return "json" in accept and "text/html" not in accept


def is_speculative(request: HttpRequest) -> bool:
    """A prefetch or prerender: nobody has decided to open the page yet (CAL-06)."""
    purposes = (request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))
    return any("prefetch" in purpose.lower() or "prerender" in purpose.lower() for purpose in purposes)


def private(response: HttpResponseBase) -> HttpResponseBase:
    """Not stored anywhere, and its address told to no other site (contract section 6)."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render template with the request id in its context."""
    return render(
        request, template, {"request_id": problems.request_id_of(request), **context}, status=status
    )


def dead_end(
    request: HttpRequest, problem: Problem, words_of: DeadEnd, *, again_path: str | None = None
) -> HttpResponse:
    """problem+json for programs; for people a page that says what happened and what to do."""
    if accepts_json(request):
        return problems.render(problem, problems.request_id_of(request))
    context = {
        "heading": words_of.heading,
        "what_happened": words_of.what_happened,
        "advice": words_of.advice,
        "again_path": again_path,
    }
    return page(request, "connect/dead_end.html", context, status=problem.status)


def unusable(request: HttpRequest, error: errors.LinkUnusable) -> HttpResponse:
    """410: the link was real, and is over."""
    return dead_end(request, Problem(f"link_{error.reason}"), words.UNUSABLE[error.reason])


def not_found(request: HttpRequest) -> HttpResponse:
    """404: unknown, cut short, or purged; nobody can tell which."""
    return dead_end(request, Problem("not_found"), words.UNKNOWN_LINK)


@method_decorator(csrf_exempt, name="dispatch")
class Page(View):
    """Base of the customer's pages. POST is checked against CSRF here, after an unknown method got its 405."""

    http_method_names = ["get", "head", "post", "options"]
    ignores_speculative = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        method = (request.method or "").lower()
        handler = getattr(self, method, None) if method in self.http_method_names else None
        if handler is None:
            return private(self._method_not_allowed(request))
        if self.ignores_speculative and method in {"get", "head"} and is_speculative(request):
            return private(HttpResponse(status=204))
        if method == "post":
            handler = csrf_protect(handler)
        try:
            response = handler(request, *args, **kwargs)
        except errors.LinkUnusable as error:
            response = unusable(request, error)
        except errors.NotFound:
            response = not_found(request)
        except (catalogue.UnknownProvider, catalogue.CatalogueError, catalogue.TemplateError) as error:
            log.error("a catalogue entry cannot be used", error=type(error).__name__, detail=str(error))
            response = dead_end(request, Problem("not_found"), words.SWITCHED_OFF)
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Language", "en")  # what programs read is not translated
        return private(response)

    def _method_not_allowed(self, request: HttpRequest) -> HttpResponse:
        allowed = ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))
        problem = Problem("method_not_allowed", f"This address takes {allowed}.", headers={"Allow": allowed})
        heading = _("This address cannot be used in that way")
        response = dead_end(request, problem, DeadEnd(heading, _("Open the link in a browser instead."), ()))
        response.headers["Allow"] = allowed
        return response
