"""`/api/v1/connections`: list, read, refresh, check, pause, resume, end, import, hand out a token."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import identifiers
from accounts.api.pagination import CursorPages
from accounts.api.partner_view import PartnerView
from accounts.api.problems import invalid
from accounts.models.partner import Permission
from integrations import connections, tasks, tokens
from integrations.access import integration_for
from integrations.api.paging import PAGE_NAMES, PAGE_PARAMETERS, paged
from integrations.api.queries import canonical_uuid, require_known
from integrations.api.replies import ConnectionReply, ReportReply, TokenReply
from integrations.api.requests import ImportBody
from integrations.connections import report
from integrations.errors import ConnectionNotFound
from integrations.models import Connection
from integrations.models.connection import ConnectionQuerySet, Status
from integrations.representation import connection_data, timestamp

_FILTERS = frozenset({"appSlug", "userForeignIdentifier", "status"})
#: tombstones are read by UUID and are in no list (contract section 3)
_LISTABLE = tuple(status.value for status in Status if status != Status.DISCONNECTED)
#: what a call that may ask the provider can answer beside the usual
_PROVIDER_STATUSES = (401, 403, 404, 423, 424, 429, 502, 503, 504)


class ConnectionsView(PartnerView):
    """The partner's connections."""

    permission = Permission.CONNECTIONS_READ
    pagination_class = CursorPages

    @extend_schema(
        operation_id="list_connections",
        summary="List connections",
        tags=["connections"],
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter("appSlug", str, description="Of this integration."),
            OpenApiParameter("userForeignIdentifier", str, description="Of this customer."),
            OpenApiParameter(
                "status", str, enum=_LISTABLE, description="In this status; the only way to list pending."
            ),
        ],
        responses={200: ConnectionReply(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Newest first, without pending and disconnected ones."""
        require_known(request, PAGE_NAMES | _FILTERS)
        return paged(self, self._rows(request), connection_data)

    def _rows(self, request: Request) -> ConnectionQuerySet:
        rows = connections.visible_to(self.credential).prefetch_related("integration__scopes")
        status = request.query_params.get("status")
        if status is not None and status not in _LISTABLE:
            raise invalid("status", f"One of {', '.join(_LISTABLE)} is needed.")
        rows = rows.listed() if status is None else rows.filter(status=status)
        slug = request.query_params.get("appSlug")
        if slug is not None:
            rows = rows.filter(integration=integration_for(self.credential, slug))
        identifier = request.query_params.get("userForeignIdentifier")
        if identifier is not None:
            identifiers.check_identifier(identifier)
            rows = connections.of_customer(
                rows, partner_id=self.credential.partner_id, foreign_identifier=identifier
            )
        return rows


class OneConnection(PartnerView):
    """Base of the calls about one connection of the caller's."""

    def connection(self, connection_id: str) -> Connection:
        known = canonical_uuid(connection_id)
        if known is None:
            raise ConnectionNotFound("No such connection.")
        return connections.find_by_uuid(self.credential, known)

    def usable_connection(self, connection_id: str) -> Connection:
        """One whose integration is switched on: off means no use, by whichever name it is called."""
        connection = self.connection(connection_id)
        integration_for(self.credential, connection.integration.slug)
        return connection


class ConnectionView(OneConnection):
    """One connection."""

    permission = {"GET": Permission.CONNECTIONS_READ, "DELETE": Permission.CONNECTIONS_WRITE}

    @extend_schema(
        operation_id="get_connection",
        summary="Read a connection",
        tags=["connections"],
        responses={200: ConnectionReply},
    )
    def get(self, request: Request, connection_id: str) -> Response:
        """Also pending ones and, as tombstones without secrets, disconnected ones."""
        return Response(connection_data(self.connection(connection_id)))

    @extend_schema(
        operation_id="delete_connection", summary="Disconnect", tags=["connections"], responses={204: None}
    )
    def delete(self, request: Request, connection_id: str) -> Response:
        """Delete the secrets at once and revoke the grant at the provider; the event tells how that went."""
        connection = self.connection(connection_id)
        tasks.revoke_soon(connections.disconnect(connection, actor=self.actor))
        return Response(status=204)


class RefreshView(OneConnection):
    permission = Permission.CONNECTIONS_WRITE
    problem_statuses = _PROVIDER_STATUSES

    @extend_schema(
        operation_id="refresh_connection",
        summary="Refresh the access token now",
        tags=["connections"],
        request=None,
        responses={200: ConnectionReply},
    )
    def post(self, request: Request, connection_id: str) -> Response:
        """A temporary failure answers 503 and leaves the connection as it was."""
        connection = tokens.refresh_now(self.usable_connection(connection_id).pk)
        return Response(connection_data(connection))


class CheckView(OneConnection):
    permission = Permission.CONNECTIONS_WRITE
    problem_statuses = _PROVIDER_STATUSES

    @extend_schema(
        operation_id="check_connection",
        summary="Ask the provider whether the grant works",
        tags=["connections"],
        request=None,
        responses={200: ConnectionReply},
    )
    def post(self, request: Request, connection_id: str) -> Response:
        """200 when the provider took the token."""
        return Response(connection_data(connections.check(self.usable_connection(connection_id))))


class PauseView(OneConnection):
    permission = Permission.CONNECTIONS_WRITE

    @extend_schema(
        operation_id="pause_connection",
        summary="Stop all use",
        tags=["connections"],
        request=None,
        responses={200: ConnectionReply},
    )
    def post(self, request: Request, connection_id: str) -> Response:
        """Calls through the proxy answer 423 until the connection is resumed. Doing it twice is no error."""
        return Response(connection_data(connections.pause(self.connection(connection_id), actor=self.actor)))


class ResumeView(OneConnection):
    permission = Permission.CONNECTIONS_WRITE

    @extend_schema(
        operation_id="resume_connection",
        summary="Allow use again",
        tags=["connections"],
        request=None,
        responses={200: ConnectionReply},
    )
    def post(self, request: Request, connection_id: str) -> Response:
        """What was broken before the pause is still broken."""
        return Response(connection_data(connections.resume(self.connection(connection_id), actor=self.actor)))


class ReportView(OneConnection):
    permission = Permission.CONNECTIONS_READ

    @extend_schema(
        operation_id="get_connection_report",
        summary="Read what happened to a connection",
        tags=["connections"],
        responses={200: ReportReply},
    )
    def get(self, request: Request, connection_id: str) -> Response:
        """Each failed refresh with the provider's own words, what followed from it, and what can be done now.

        Also of disconnected ones. Holds no secret. Failures are kept for 90 days.
        """
        return Response(report.report_data(report.build(self.connection(connection_id))))


class ImportView(PartnerView):
    permission = Permission.CONNECTIONS_WRITE

    @extend_schema(
        operation_id="import_connection",
        summary="Adopt tokens that another system holds",
        tags=["connections"],
        request=ImportBody,
        responses={201: ConnectionReply},
    )
    def post(self, request: Request) -> Response:
        """The customer is not asked again. Say when the access token ends, or that it never does."""
        body = ImportBody(data=request.data)
        body.is_valid(raise_exception=True)
        integration = integration_for(self.credential, body.validated_data["appSlug"])
        connection = connections.adopt(self.partner, integration, body.adoption(), actor=self.actor)
        return Response(connection_data(connection), status=201)


class TokenView(OneConnection):
    permission = Permission.TOKENS_READ
    http_method_names = ["get", "options"]  # a HEAD would leave the trace of a token that nobody got
    problem_statuses = _PROVIDER_STATUSES

    @extend_schema(
        operation_id="get_access_token",
        summary="Read a fresh access token",
        tags=["connections"],
        responses={200: TokenReply},
    )
    def get(self, request: Request, connection_id: str) -> Response:
        """For credentials with `tokens:read` alone; each call is an entry in the audit trail."""
        token = connections.hand_out(self.usable_connection(connection_id), actor=self.actor)
        reply: dict[str, Any] = {
            "accessToken": token.secret.reveal(),
            "tokenType": token.token_type,
            "expiresAt": timestamp(token.expires_at),
        }
        return Response(reply)
