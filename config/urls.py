"""Every path, in one place per app."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.api.docs import DocsView, SchemaView
from accounts.api.views import TokenView, readyz

urlpatterns = [
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    path("readyz", readyz, name="readyz"),
    path("oauth/token", TokenView.as_view(), name="token"),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/docs", DocsView.as_view(url_name="schema"), name="docs"),
    path("", include("proxy.urls")),
    path("", include("integrations.urls")),
]

handler400 = "accounts.pages.bad_request"
handler403 = "accounts.pages.permission_denied"
handler404 = "accounts.pages.not_found"
handler500 = "accounts.pages.server_error"
