"""The paths of the providers' pages."""

from django.urls import path

from integrations.provider_pages.views import ProvidersView, ProviderView

urlpatterns = [
    path("providers/", ProvidersView.as_view(), name="providers"),
    path("providers/<slug:provider_id>", ProviderView.as_view(), name="provider"),
]
