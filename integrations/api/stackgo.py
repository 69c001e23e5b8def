"""StackGo's paths: partner apps written against StackGo work by changing base URL and credentials (contract 5).

Choices where its reference is silent: pages hold PAGE_SIZE users, oldest first; a status other than ACTIVE is
ours in capitals (REFRESH_FAILING, RECONNECT_REQUIRED, PAUSED); a user counts as connected unless the customer
is needed again; deleting a user ends each of its connections of that app.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import identifiers, origins
from accounts.api.parsers import FormBody, JSONBody
from accounts.api.partner_view import PartnerView
from accounts.api.problems import invalid
from accounts.models.partner import Permission
from integrations import catalogue, connect, connections, tasks
from integrations.access import integration_for
from integrations.api.stackgo_shapes import AuthReply, DeletedReply, IdentifierBody, UserReply, UsersReply
from integrations.errors import ConnectionNotFound, InvalidInput, NotFound
from integrations.models import Connection, Integration
from integrations.models.connection import ConnectionQuerySet, Status
from integrations.representation import timestamp

PAGE_SIZE = 50
_MAX_PAGE = 1_000_000
_IDENTIFIER = OpenApiParameter(
    "userForeignIdentifier", str, required=True, description="Your name for the customer."
)


def _stackgo_names() -> tuple[str, ...]:
    return tuple(entry.stackgo_name for entry in catalogue.all_providers() if entry.stackgo_name)


class AuthView(PartnerView):
    """An install link."""

    permission = Permission.CONNECT
    http_method_names = ["get", "options"]  # this GET makes a link, so a HEAD must not pass for one

    @extend_schema(
        operation_id="stackgo_auth",
        summary="Make an install link",
        tags=["stackgo"],
        parameters=[
            OpenApiParameter("provider", str, OpenApiParameter.PATH, enum=_stackgo_names()),
            _IDENTIFIER,
            OpenApiParameter(
                "redirect",
                str,
                description="Where the customer goes afterwards; or `true`: answer 302 to the page.",
            ),
        ],
        responses={200: AuthReply, 302: OpenApiResponse(description="To the hosted page.")},
    )
    def get(self, request: Request, provider: str, app_slug: str) -> Response:
        """The link lives seven days. Values that the provider's addresses need (`shop`) may be parameters too."""
        integration = integration_for(self.credential, app_slug)
        if integration.provider.stackgo_name != provider:
            raise NotFound("No such integration.")
        redirect = request.query_params.get("redirect", "")
        is_redirect = redirect.lower() == "true"
        made = self._link(request, integration, return_url="" if is_redirect else redirect)
        if is_redirect:
            return Response(status=302, headers={"Location": made.url})
        return Response(
            {
                "url": made.url,
                "userForeignIdentifier": request.query_params["userForeignIdentifier"],
                "UUID": str(made.link.connection_id),
            }
        )

    def _link(self, request: Request, integration: Integration, *, return_url: str) -> connect.NewLink:
        fields = [field.name for field in integration.provider.connection_fields if field.asked_of != "staff"]
        asked = connect.LinkRequest(
            foreign_identifier=_identifier(request.query_params),
            return_url=return_url,
            connection_config={
                name: request.query_params[name] for name in fields if name in request.query_params
            },
            expires_in_seconds=settings.STACKGO_LINK_SECONDS,
            shows_json_result=not return_url,
        )
        try:
            return connect.create_link(
                self.partner, integration, asked, actor=self.actor, credential=self.credential
            )
        except origins.ReturnUrlRefused as error:
            raise invalid("redirect", str(error)) from error
        except InvalidInput as error:
            raise invalid(error.field.removeprefix("connectionConfig."), str(error)) from error


class UsersView(PartnerView):
    """The customers that are connected."""

    permission = Permission.CONNECTIONS_READ

    @extend_schema(
        operation_id="stackgo_get_users",
        summary="List connected users",
        tags=["stackgo"],
        parameters=[
            OpenApiParameter("page", {"type": "integer", "minimum": 1, "default": 1}, description="From 1.")
        ],
        responses={200: UsersReply},
    )
    def get(self, request: Request, app_slug: str) -> Response:
        """Pages of 50, oldest first; a page beyond the last is empty."""
        rows = self._rows(app_slug)
        start = (_page(request) - 1) * PAGE_SIZE
        # The order of the numbers, but for connections that a bundle has brought; this one has an index.
        page = rows.select_related("number").order_by("created_at", "pk")[start : start + PAGE_SIZE]
        return Response({"userForeignIdentifiers": [_user(row) for row in page]})

    def _rows(self, app_slug: str) -> ConnectionQuerySet:
        integration = integration_for(self.credential, app_slug)
        return connections.visible_to(self.credential).filter(integration=integration).listed()

    def _rows_of(self, app_slug: str, identifier: str) -> ConnectionQuerySet:
        partner_id = self.credential.partner_id
        return connections.of_customer(
            self._rows(app_slug), partner_id=partner_id, foreign_identifier=identifier
        )


class UserView(UsersView):
    """One customer."""

    @extend_schema(
        operation_id="stackgo_get_user",
        summary="Is this user connected?",
        tags=["stackgo"],
        parameters=[_IDENTIFIER],
        responses={200: UserReply},
    )
    def get(self, request: Request, app_slug: str) -> Response:
        """Whether the user has a connection that does not wait for the customer."""
        identifier = _identifier(request.query_params)
        rows = self._rows_of(app_slug, identifier)
        is_connected = rows.exclude(status=Status.RECONNECT_REQUIRED).exists()
        return Response({"connected": is_connected, "data": identifier})


class DeleteUserView(UsersView):
    """The end of a customer's connections."""

    permission = Permission.CONNECTIONS_WRITE
    http_method_names = ["delete", "options"]
    parser_classes = [JSONBody, FormBody]

    @extend_schema(
        operation_id="stackgo_delete_user",
        summary="Delete a user's connection and its tokens",
        tags=["stackgo"],
        parameters=[
            OpenApiParameter("userForeignIdentifier", str, description="Or in the body, as form or JSON.")
        ],
        request=IdentifierBody,
        responses={200: DeletedReply},
    )
    def delete(self, request: Request, app_slug: str) -> Response:
        """For good; the provider is told as well."""
        identifier = _identifier_anywhere(request)
        ended = list(self._rows_of(app_slug, identifier))
        if not ended:
            raise ConnectionNotFound("No such connection.")
        with transaction.atomic():
            for connection in ended:
                tasks.revoke_soon(connections.disconnect(connection, actor=self.actor))
        return Response({"message": "User Deleted", "userForeignIdentifier": identifier, "appSlug": app_slug})


def _identifier(values: Any) -> str:
    """userForeignIdentifier of a query or body. Raises what the caller is told when it is missing or not usable."""
    value = values.get("userForeignIdentifier")
    if value is None:
        raise invalid("userForeignIdentifier", "This parameter is needed.")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # a JSON number is how some write their ids, and no other id is meant by it
    return identifiers.check_identifier(value)


def _identifier_anywhere(request: Request) -> str:
    if "userForeignIdentifier" in request.query_params:
        return _identifier(request.query_params)
    if not hasattr(request.data, "get"):
        raise invalid("body", "A JSON object or a form is needed.")
    return _identifier(request.data)


def _page(request: Request) -> int:
    text = request.query_params.get("page", "1")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MAX_PAGE):
        raise invalid("page", "A whole number from 1 is needed.")
    return int(text)


def _user(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.number.pk,
        "status": connection.status.upper(),
        "createdAt": timestamp(connection.created_at),
        "updatedAt": timestamp(connection.updated_at),
        "userForeignIdentifier": connection.customer.foreign_identifier,
    }
