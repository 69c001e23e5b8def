"""Paths of the proxy, for servers and tests that reach it through Django (see entry for the way around)."""

from django.urls import path, re_path

from proxy.api.receipts import ReceiptReplyView, ReceiptView
from proxy.api.traffic import TrafficHoursView, TrafficView
from proxy.api.views import EnvelopeView, PassthroughView, StackGoView

_envelope_beside_the_passthrough = EnvelopeView.as_view(schema=None)
_undescribed = PassthroughView.as_view(schema=None)

urlpatterns = [
    path("api/v1/proxy/<str:app_slug>", EnvelopeView.as_view(), name="envelope"),
    path("api/v1/receipts/<str:receipt_id>", ReceiptView.as_view(), name="receipt"),
    path("api/v1/receipts/<str:receipt_id>/reply", ReceiptReplyView.as_view(), name="receipt-reply"),
    path("api/v1/traffic", TrafficView.as_view(), name="traffic"),
    path("api/v1/traffic/hours", TrafficHoursView.as_view(), name="traffic-hours"),
    path("proxy/<str:app_slug>", _envelope_beside_the_passthrough),
    path("proxy/<str:app_slug>/<str:identifier>/<path:path>", PassthroughView.as_view(), name="passthrough"),
    re_path(r"^proxy/.*$", _undescribed),
    path("api/raw/<str:app_slug>", StackGoView.as_view(), name="stackgo-raw"),
    path("api/raw/xe/<str:app_slug>", StackGoView.as_view(), name="stackgo-raw-xero"),
    path("api/atlassian/proxy/<str:app_slug>", StackGoView.as_view(), name="stackgo-raw-atlassian"),
    path("api/quick-books/proxy/<str:app_slug>", StackGoView.as_view(), name="stackgo-raw-quickbooks"),
    path("api/servicenow/proxy/<str:app_slug>", StackGoView.as_view(), name="stackgo-raw-servicenow"),
    path("api/shopify/<str:app_slug>", StackGoView.as_view(), name="stackgo-raw-shopify"),
]
