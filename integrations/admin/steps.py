"""The overview's first steps that concern integrations."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin import next_steps
from accounts.admin.next_steps import Step
from integrations.models import Connection, Integration, IntegrationGrant


def _integration(request: HttpRequest) -> Step:
    may_add = request.user.has_perm("integrations.add_integration")
    return Step(
        "Add an integration",
        "Choose a provider, register the redirect URL there, and paste the app's Client ID and Client Secret.",
        Integration.objects.exists(),
        reverse("admin:integrations_integration_add") if may_add else "",
        "Add integration",
    )


def _credential(request: HttpRequest) -> Step:
    may_add = request.user.has_perm("accounts.add_credential")
    return Step(
        "Make a credential",
        "The keys with which the partner calls the API, and the integrations that it may use. Shown once.",
        IntegrationGrant.objects.filter(credential__revoked_at=None).exists(),
        reverse("admin:accounts_credential_add") if may_add else "",
        "Add credential",
    )


def _connection(request: HttpRequest) -> Step:
    return Step(
        "Connect the first customer",
        "The partner asks POST /api/v1/connect-links for a link and puts it behind a button.",
        Connection.objects.listed().exists(),
        "/api/docs",
        "API docs",
    )


next_steps.register(10, _integration)
next_steps.register(30, _credential)
next_steps.register(40, _connection)
