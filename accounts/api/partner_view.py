"""PartnerView: what every call of a partner has in common, whatever it is about."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import Caller, PartnerAuthentication
from accounts.api.bodies import TakesChunks
from accounts.api.negotiation import IgnoreAccept
from accounts.api.parsers import JSONBody, require_utf8
from accounts.api.permissions import HasPermission
from accounts.api.throttling import PartnerThrottle, tell_limits
from accounts.audit import Actor
from accounts.models import Credential, Partner


class PartnerView(TakesChunks):
    """Authenticated, limited, JSON in UTF-8 and in English, never stored.

    `permission` is what the credential needs, or a map from method to it.
    """

    authentication_classes = [PartnerAuthentication]
    permission_classes = [HasPermission]
    throttle_classes = [PartnerThrottle]
    parser_classes = [JSONBody]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = IgnoreAccept
    permission: Any = None

    @property
    def caller(self) -> Caller:
        return self.request.user  # type: ignore[return-value]  # HasPermission lets nobody else in

    @property
    def credential(self) -> Credential:
        return self.caller.credential

    @property
    def partner(self) -> Partner:
        return self.caller.partner

    @property
    def actor(self) -> Actor:
        """Who acts, for the audit trail."""
        return Actor.credential(self.credential)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        request.encoding = "utf-8"  # a charset of Content-Type must not decide how the query is read
        with translation.override("en"):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        require_utf8(request.META.get("QUERY_STRING", ""), what="query")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Content-Language", "en")
        tell_limits(request, response)
        return response

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """The methods, in Allow; what they do stands in the schema."""
        return Response(status=204)
