"""`/providers/` and `/providers/<id>`: for whoever builds with this installation, like `/api/docs`.

They tell what the catalogue's files say and nothing of this installation but its address: no integration, no
partner, no customer.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views import View

from integrations import catalogue
from integrations.pages.marks import of_provider
from integrations.provider_pages import words
from integrations.provider_pages.content import matches, page_of

_LONGEST_QUERY = 100


class _Page(View):
    """In English, as all pages for engineers; the same for everybody, so that it may be kept for a while."""

    http_method_names = ["get", "head", "options"]

    def answer(self, request: HttpRequest, template: str, context: dict[str, object]) -> HttpResponse:
        with translation.override("en"):
            response = render(request, template, context)
        response.headers["Cache-Control"] = "public, max-age=300"
        response.headers["Content-Language"] = "en"
        return response


class ProvidersView(_Page):
    """All providers; `?q=` searches names, categories and kinds."""

    def get(self, request: HttpRequest) -> HttpResponse:
        query = request.GET.get("q", "").strip()[:_LONGEST_QUERY]
        every = catalogue.all_providers()
        found = [
            {
                "provider": provider,
                "mark": of_provider(provider),
                "kind": words.SHORT_KINDS[provider.auth_kind],
            }
            for provider in every
            if matches(provider, query)
        ]
        context = {"found": found, "query": query, "count": len(every)}
        return self.answer(request, "providers/list.html", context)


class ProviderView(_Page):
    """One provider's page; 404 for an id that the catalogue does not have."""

    def get(self, request: HttpRequest, provider_id: str) -> HttpResponse:
        try:
            provider = catalogue.get(provider_id)
        except catalogue.UnknownProvider as error:
            raise Http404 from error
        return self.answer(request, "providers/page.html", {"page": page_of(provider)})
