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

    The URL has no end of its own, so it serves only while the customer is needed: once the connection works, it
    is as used up as the link that it became. Raises NotFound for a signature that is not ours, LinkUnusable for
    a connection that works or is no more.
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
    if connection.status == Status.ACTIVE:
        raise LinkUnusable("used")
    return path_of(link_for(connection, actor=Actor.customer(connection.customer)))


def link_for(connection: Connection, *, actor: Actor) -> NewLink:
    """A link that reconnects a connection: same id, integration, settings (CON-20); scopes as now configured.

    Asks for the union of what was granted and what is wanted, so that nothing is lost.
    """
    integration = connection.integration
    known = {*integration.required_scopes(), *integration.optional_scopes()}
    wanted = [*integration.required_scopes(), *(s for s in connection.requested_scopes if s in known)]
    request = LinkRequest(
        foreign_identifier=connection.customer.foreign_identifier,
        connection_name=connection.name,
        connection_config=connection.connection_config,
        scopes=list(dict.fromkeys(wanted)),
    )
    return create_link(
        connection.partner, integration, request, actor=actor, max_seconds=settings.CONNECT_LINK_MAX_SECONDS
    )


def path_of(new_link: NewLink) -> str:
    """The path of a link's URL: where a redirect within the site goes."""
    return urlsplit(new_link.url).path
