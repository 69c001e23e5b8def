"""Paths of integrations."""

from django.urls import include, path

urlpatterns = [
    path("", include("integrations.pages.urls")),
]
