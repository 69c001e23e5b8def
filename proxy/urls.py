"""Paths of the proxy."""

urlpatterns: list = []
