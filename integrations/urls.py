"""Every path of integrations: the customer's pages, the providers' pages, the partner's API."""

from django.urls import include, path

urlpatterns = [
    path("", include("integrations.pages.urls")),
    path("", include("integrations.provider_pages.urls")),
    path("", include("integrations.api.urls")),
]
