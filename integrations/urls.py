"""Every path of integrations: the customer's pages and the partner's API."""

from django.urls import include, path

urlpatterns = [
    path("", include("integrations.pages.urls")),
    path("", include("integrations.api.urls")),
]
