"""The toolkit's own paths at the root, Django's admin for its login page, and one path of an API."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from oauth2_provider.views.generic import ProtectedResourceView


class WhoAmI(ProtectedResourceView):
    """The account behind a token."""

    def get(self, request: HttpRequest, **kwargs: Any) -> JsonResponse:
        owner = request.resource_owner  # type: ignore[attr-defined]  # the toolkit's view sets it
        return JsonResponse({"id": owner.get_username(), "name": owner.get_full_name()})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/whoami", WhoAmI.as_view()),
    path("", include("oauth2_provider.urls", namespace="oauth2_provider")),
]
