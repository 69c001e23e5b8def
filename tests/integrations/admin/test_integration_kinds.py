"""Integrations of providers that have no app, no redirect URL or no secret, in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from integrations import connect, tokens
from integrations.models import Integration
from tests import factories
from tests.factories import ACTOR

ADD = "/admin/integrations/integration/add/"
KEY = "0123456789abcdef0123456789abcdef"
SECRET = "00112233445566778899aabbccddeeff" * 2
REDIRECT_URL = "/oauth/kind-dev/callback"


def change_url(integration: Integration) -> str:
    return reverse("admin:integrations_integration_change", args=[integration.pk])


def text(response: Any) -> str:
    return str(response.content.decode())


@pytest.mark.parametrize(
    ("provider", "typed"),
    [
        ("sendgrid", "each customer types this on the page of the connect link: API key"),
        (
            "twilio",
            "each customer types this on the page of the connect link: API key SID and API key secret",
        ),
    ],
)
def test_without_an_app_nothing_but_a_name_is_asked_for(boss: Client, provider: str, typed: str) -> None:
    page = text(boss.get(f"{ADD}?provider={provider}"))
    assert "There is no redirect URL to register" in page and typed in " ".join(page.split())
    assert 'redirect-url"' not in page and "Install URL" not in page
    for name in ("client_id", "client_secret", "app_id", "use_anyway", "scopes"):
        assert f'name="{name}"' not in page
    form = {"slug": "kind-dev", "is_enabled": "on", "display_name": "Mail"}
    assert boss.post(f"{ADD}?provider={provider}", form).status_code == 302
    made = Integration.objects.get()
    assert (made.name, made.current_client().client_id, made.current_client().client_secret) == (
        "Mail",
        "",
        None,
    )
    assert AuditEntry.objects.filter(action="integration.created").count() == 1
    again = text(boss.get(change_url(made)))
    assert "Check credentials" not in again and REDIRECT_URL not in again
    assert boss.post(change_url(made), {"display_name": "Post", "is_enabled": "on"}).status_code == 302
    made.refresh_from_db()
    assert (made.display_name, made.clients.count()) == ("Post", 1)


def test_oauth1_has_a_key_a_secret_and_a_redirect_url(boss: Client) -> None:
    page = text(boss.get(f"{ADD}?provider=trello"))
    assert "Redirect URL" in page and "API Key" in page and "Install URL" not in page
    form = {"slug": "kind-dev", "is_enabled": "on", "client_id": KEY, "client_secret": SECRET}
    assert boss.post(f"{ADD}?provider=trello", form).status_code == 302
    made = Integration.objects.get()
    secret = tokens.client_secret(made.current_client())
    assert secret is not None and secret.reveal() == SECRET
    again = text(boss.get(change_url(made)))
    assert REDIRECT_URL in again and SECRET not in again and "Check credentials" in again


def test_an_attempt_of_these_kinds_shows_no_address(boss: Client) -> None:
    made = factories.integration("kind-dev", "sendgrid", client_id="")
    wanted = connect.LinkRequest(foreign_identifier="cust")
    new = connect.create_link(factories.partner(), made, wanted, actor=ACTOR)
    attempt = new.link.attempts.create(
        client=made.current_client(),
        state_sha256="0" * 64,
        browser_sha256="0" * 64,
        expires_at=new.link.expires_at,
    )
    page = boss.get(reverse("admin:integrations_authorizationattempt_change", args=[attempt.pk]))
    assert page.status_code == 200 and "cannot be shown" not in text(page)
