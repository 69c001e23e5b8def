"""`/oauth/{slug}/choose`: which of the accounts that were granted is connected."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from accounts.api import problems
from integrations import connect, errors
from integrations.pages import cookies, replies
from integrations.pages.callback import answer, choose_page, refused_page
from integrations.pages.replies import Page


class ChooseView(Page):
    """POST of the page that the callback has shown; the outcome is answered as the callback's is."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        attempt, account = request.POST.get("attempt", ""), request.POST.get("account", "")
        browser_secret = cookies.read(request)
        try:
            return answer(request, connect.choose(slug, attempt, account, browser_secret=browser_secret))
        except errors.CallbackRefused as refused:
            return refused_page(request, refused)
        except errors.InvalidInput as error:
            if replies.accepts_json(request):
                problem = problems.invalid(error.field, str(error))
                return problems.render(problem, problems.request_id_of(request))
            offered = connect.offered(slug, attempt, browser_secret=browser_secret)
            return choose_page(request, offered, error=_(str(error)), status=400)
