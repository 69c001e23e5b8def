"""Choosing a provider: the cards of the first page, and the list's filter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from integrations import setup
from integrations.catalogue import Provider
from integrations.errors import InvalidInput
from integrations.models import Integration

_ABBREVIATIONS = frozenset({"ai", "cms", "crm", "erp", "hr", "itsm"})


def chosen_provider(request: HttpRequest) -> Provider | None:
    """The provider that the URL names, if an integration of it can be made."""
    try:
        return setup.provider_for(request.GET.get("provider", ""))
    except InvalidInput:
        return None


def provider_cards(query: str) -> list[dict[str, Any]]:
    """The supported providers that fit a search, with how many integrations each has."""
    words = query.casefold().split()
    used: dict[str, int] = {}
    for provider_id in Integration.objects.values_list("provider_id", flat=True):
        used[provider_id] = used.get(provider_id, 0) + 1
    return [
        {
            "provider": provider,
            "search": text,
            "used": used.get(provider.id, 0),
            "category": _category(provider),
        }
        for provider in setup.supported_providers()
        if (text := f"{provider.display_name} {provider.id} {provider.category}".casefold()) is not None
        and all(word in text for word in words)
    ]


def _category(provider: Provider) -> str:
    category = provider.category.replace("_", " ").replace("-", " ")
    return category.upper() if category in _ABBREVIATIONS else category.capitalize()


class ProviderFilter(admin.SimpleListFilter):
    title = "provider"
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        used = set(Integration.objects.values_list("provider_id", flat=True))
        names = {provider.id: provider.display_name for provider in setup.supported_providers()}
        return sorted(
            ((value, names.get(value, value)) for value in used), key=lambda pair: pair[1].casefold()
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Integration]) -> QuerySet[Integration]:
        return queryset.filter(provider_id=self.value()) if self.value() else queryset
