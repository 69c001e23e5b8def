"""`/api/v1/connect-links` and `/api/v1/manage-links`."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.partner_view import PartnerView
from accounts.models.partner import Permission
from integrations import connect
from integrations.access import integration_for
from integrations.api.queries import canonical_uuid
from integrations.api.replies import CreatedLinkReply, LinkReply, ManageLinkReply
from integrations.api.requests import ConnectLinkBody, ManageLinkBody
from integrations.errors import LinkUnusable, NotFound
from integrations.models import ConnectLink
from integrations.models.link import LinkState
from integrations.representation import timestamp


class ConnectLinksView(PartnerView):
    """Make connect links."""

    permission = Permission.CONNECT

    @extend_schema(
        operation_id="create_connect_link",
        summary="Make a connect link",
        tags=["connect"],
        request=ConnectLinkBody,
        responses={201: CreatedLinkReply},
    )
    def post(self, request: Request) -> Response:
        """Make a link for one customer. Opening it spends nothing; connecting successfully does."""
        body = ConnectLinkBody(data=request.data)
        body.is_valid(raise_exception=True)
        integration = integration_for(self.credential, body.validated_data["appSlug"])
        made = connect.create_link(
            self.partner, integration, body.link_request(), actor=self.actor, credential=self.credential
        )
        link = made.link
        reply = {
            "id": str(link.pk),
            "url": made.url,
            "userForeignIdentifier": body.validated_data["userForeignIdentifier"],
            "UUID": str(link.connection_id),
            "expiresAt": timestamp(link.expires_at),
        }
        return Response(reply, status=201)


class ConnectLinkView(PartnerView):
    """One connect link: its state, and an end to it."""

    permission = Permission.CONNECT
    problem_statuses = (401, 403, 404, 410, 429)

    @extend_schema(
        operation_id="get_connect_link",
        summary="Read a connect link",
        tags=["connect"],
        responses={200: LinkReply},
    )
    def get(self, request: Request, link_id: str) -> Response:
        """The state of a link: pending, opened, completed, failed, expired or revoked."""
        return Response(connect.link_data(self._link(link_id), now=timezone.now()))

    @extend_schema(
        operation_id="revoke_connect_link",
        summary="Revoke a connect link",
        tags=["connect"],
        responses={204: None},
    )
    def delete(self, request: Request, link_id: str) -> Response:
        """Make a link useless. Doing it twice is no error; a link that was used answers 410."""
        link = self._link(link_id)
        if not connect.revoke_link(link, actor=self.actor):
            link.refresh_from_db()
            if link.state(timezone.now()) == LinkState.COMPLETED:
                raise LinkUnusable("used")
        return Response(status=204)

    def _link(self, link_id: str) -> ConnectLink:
        known = canonical_uuid(link_id)
        if known is None:
            raise NotFound("No such link.")
        return connect.find_own_link(self.credential, known)


class ManageLinksView(PartnerView):
    """Make links to the customer's own page."""

    permission = Permission.CONNECT

    @extend_schema(
        operation_id="create_manage_link",
        summary="Make a link to the customer's own page",
        tags=["connect"],
        request=ManageLinkBody,
        responses={201: ManageLinkReply},
    )
    def post(self, request: Request) -> Response:
        """A page where the customer sees, reconnects, pauses and disconnects what is connected."""
        body = ManageLinkBody(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        link, url = connect.create_manage_link(
            self.partner,
            data["userForeignIdentifier"],
            actor=self.actor,
            expires_in_seconds=data.get("expiresInSeconds"),
        )
        return Response({"url": url, "expiresAt": timestamp(link.expires_at)}, status=201)
