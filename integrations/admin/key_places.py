"""The sealed columns of integrations in words, for the page of the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin import key_page
from accounts.admin.key_page import Link, Place
from integrations.models import ClientCredentials, Connection
from sealing.fields import sealed_field


def _connections(request: HttpRequest, pks: Sequence[object], **only: Any) -> list[Link]:
    may_view = request.user.has_perm("integrations.view_connection")
    rows = Connection.objects.filter(pk__in=list(pks), **only).select_related("customer", "integration")
    return [
        Link(
            f"{row.customer} ({row.integration})" if may_view else str(row.pk),
            reverse("admin:integrations_connection_change", args=[row.pk]) if may_view else "",
        )
        for row in rows.defer("access_token", "refresh_token")
    ]


def _clients(request: HttpRequest, pks: Sequence[object]) -> list[Link]:
    may_view = request.user.has_perm("integrations.view_integration")
    rows = ClientCredentials.objects.filter(pk__in=list(pks)).select_related("integration")
    return [
        Link(
            f"{row.integration} ({row.client_id})" if may_view else str(row.pk),
            reverse("admin:integrations_integration_change", args=[row.integration_id]) if may_view else "",
        )
        for row in rows
    ]


key_page.register(
    sealed_field(Connection, "refresh_token").place,
    Place(
        "Refresh tokens of connections",
        "These customers have to connect again: send each a reconnect link once the key is given up.",
        _connections,
    ),
)
key_page.register(
    sealed_field(Connection, "access_token").place,
    Place(
        "Access tokens of connections",
        "Where the refresh token opens, the next refresh brings a new one; without a refresh token the customer has to "
        "connect again.",
        lambda request, pks: _connections(request, pks, refresh_token__isnull=True),
    ),
)
for _name, _title in (("client_secret", "Client secrets"), ("next_client_secret", "Next client secrets")):
    key_page.register(
        sealed_field(ClientCredentials, _name).place,
        Place(
            _title, "Enter each anew on its integration's page; nobody has to reconnect for that.", _clients
        ),
    )
