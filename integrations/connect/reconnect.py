"""`reconnectUrl`: stateless until it is opened, then a connect link like any other."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from accounts.audit import Actor
from integrations.connect.links import LinkRequest, NewLink, create_link
from integrations.errors import LinkUnusable, NotFound
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.representation import connection_of_reconnect_url


def open_reconnect(signed: str) -> str:
    """The path of a fresh connect link for the connection that the signed URL names.

    The URL has no end of its own, so it serves only while the customer is needed: once the connection works and
    has every scope that the integration requires, it is as used up as the link that it became.
    Raises NotFound for a signature that is not ours, LinkUnusable for a connection that works or is no more.
    """
    connection_id = connection_of_reconnect_url(signed[:500])
    if connection_id is None:
        raise NotFound("No such link.")
    connection = (
        Connection.objects.select_related("integration", "customer", "partner")
        .filter(pk=connection_id)
        .first()
    )
    if connection is None or connection.status == Status.DISCONNECTED:
        raise LinkUnusable("revoked")
    if connection.status == Status.ACTIVE and not connection.lacks_required_scopes:
        raise LinkUnusable("used")
    return path_of(link_for(connection, actor=Actor.customer(connection.customer)))


def link_for(connection: Connection, *, actor: Actor) -> NewLink:
    """A link that reconnects a connection: same id, integration and settings (CON-20).

    Asks for the union of what the integration wants now and what this connection requested or was granted before,
    so that nothing is lost. What staff have taken out of the integration is not asked for: the provider's app may
    no longer have it, and would refuse the whole of it (CON-06).
    """
    integration = connection.integration
    required, optional = integration.required_scopes(), integration.optional_scopes()
    # Required by its own link, though optional for others.
    more = [scope for scope in dict.fromkeys(connection.requested_scopes) if scope in optional]
    request = LinkRequest(
        foreign_identifier=connection.customer.foreign_identifier,
        connection_name=connection.name,
        connection_config=connection.connection_config,
        scopes=[*required, *more] if more else None,
    )
    return create_link(
        connection.partner, integration, request, actor=actor, max_seconds=settings.CONNECT_LINK_MAX_SECONDS
    )


def path_of(new_link: NewLink) -> str:
    """The path of a link's URL: where a redirect within the site goes."""
    return urlsplit(new_link.url).path
