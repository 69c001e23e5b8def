"""`/api/v1/receipts/{id}`: what came of a call that was taken in with `Prefer: respond-async`."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.partner_view import PartnerView
from accounts.api.problems import Problem
from accounts.api.serializers import ProblemSerializer
from accounts.models.partner import Permission
from integrations.api.queries import canonical_uuid
from proxy.api.schema import TakenInSerializer
from proxy.credentials import Field
from proxy.models import Receipt
from proxy.models.receipt import State
from proxy.receipts import ending, shown
from proxy.receipts.contents import StoredReply

_ID = "3f1c2a6e-8f0b-4f0e-9a55-0d3f6a1b7c21"
_EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "state": State.PENDING.value,
    "createdAt": "2026-11-25T09:30:00.000Z",
    "expiresAt": "2026-11-26T09:30:00.000Z",
    "url": f"https://patchbay.example.com/api/v1/receipts/{_ID}",
}
_HEADERS = [["content-type", "application/json"], ["via", "1.1 patchbay"]]


@extend_schema_serializer(
    component_name="Receipt",
    examples=[
        OpenApiExample("Not made yet", value=_EXAMPLE, response_only=True),
        OpenApiExample(
            "Made",
            value={
                **_EXAMPLE,
                "state": State.COMPLETED.value,
                "completedAt": "2026-11-25T09:31:12.000Z",
                "status": 200,
                "headers": _HEADERS,
                "bodyBase64": "eyJyZXN1bHRzIjpbXX0=",
            },
            response_only=True,
        ),
    ],
)
class ReceiptSerializer(TakenInSerializer):
    """A call that is made later, and what came of it."""

    completedAt = serializers.DateTimeField(required=False, help_text="Once it is over.")
    status = serializers.IntegerField(required=False, help_text="The provider's.")
    headers = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(), min_length=2, max_length=2),
        required=False,
        help_text="Name and value of each field of the reply, in order, repeats included.",
    )
    bodyBase64 = serializers.CharField(
        required=False, help_text="The reply's content; missing when it was too large to be kept."
    )
    problem = ProblemSerializer(required=False, help_text="In the state failed: why.")


class StoredResponse(HttpResponse):
    """A stored reply; items() gives its own fields, repeats included, and nothing that middleware adds to pages."""

    def __init__(self, reply: StoredReply) -> None:
        super().__init__(reply.content, status=reply.status)
        self._fields = _sent_fields(reply)
        for name, value in self._fields:
            self.headers[name.decode("latin-1")] = value.decode("latin-1")

    def items(self) -> Any:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._fields]


def _sent_fields(reply: StoredReply) -> list[Field]:
    """Those of the reply, with a length where it came without one. It is not stored: it is here for a day at most."""
    fields = [pair for pair in reply.fields if pair[0] != b"cache-control"]
    fields.append((b"cache-control", b"no-store"))
    if reply.status not in (204, 304) and not any(name == b"content-length" for name, _ in fields):
        fields.append((b"content-length", b"%d" % len(reply.content)))
    return fields


class OneReceipt(PartnerView):
    """Base of the calls about one receipt of the caller's."""

    permission = Permission.PROXY
    problem_statuses: tuple[int, ...] = (401, 403, 404, 429)

    def receipt(self, receipt_id: str) -> Receipt:
        known = canonical_uuid(receipt_id)
        if known is None:
            raise Problem("not_found", "No such receipt.")
        return shown.find(self.credential, known)


class ReceiptView(OneReceipt):
    """One receipt."""

    @extend_schema(
        operation_id="get_receipt",
        summary="Read a receipt",
        tags=["proxy"],
        responses={200: ReceiptSerializer},
    )
    def get(self, request: Request, receipt_id: str) -> Response:
        """What came of a call that was taken in. Ask again after Retry-After seconds while it is open."""
        receipt = self.receipt(receipt_id)
        response = Response(shown.full_data(receipt))
        if receipt.is_open:
            response.headers["Retry-After"] = str(shown.poll_seconds(receipt, now=timezone.now()))
        return response

    @extend_schema(
        operation_id="delete_receipt",
        summary="Call off, or delete what is kept",
        tags=["proxy"],
        responses={
            204: None,
            (409, "application/problem+json"): OpenApiResponse(
                ProblemSerializer, description="The call is under way."
            ),
        },
    )
    def delete(self, request: Request, receipt_id: str) -> Response:
        """A pending one becomes cancelled; one that is over goes with its content. 409 while it is under way."""
        ending.cancel(self.receipt(receipt_id))
        return Response(status=204)


class ReceiptReplyView(OneReceipt):
    """The provider's reply."""

    @extend_schema(
        operation_id="get_receipt_reply",
        summary="The reply itself",
        tags=["proxy"],
        responses={
            (200, "*/*"): OpenApiResponse(
                OpenApiTypes.BINARY, description="The provider's own status, header fields and bytes."
            ),
            (409, "application/problem+json"): OpenApiResponse(
                ProblemSerializer, description="There is no reply, or none yet; `state` says which."
            ),
        },
    )
    def get(self, request: Request, receipt_id: str) -> HttpResponse:
        """What the call would have been answered with: the provider's reply, or the problem in its place.

        Cache-Control is no-store.
        """
        receipt = self.receipt(receipt_id)
        return StoredResponse(shown.reply_to_give(receipt, now=timezone.now()))
