"""Credentials in the admin: secrets shown once, in the reply to the POST and nowhere else."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import credentials
from accounts.models import AuditEntry, Credential, IssuedToken
from accounts.models.partner import DEFAULT_PERMISSIONS
from tests import factories
from tests.factories import World

ADD = "/admin/accounts/credential/add/"
LIST = "/admin/accounts/credential/"


def change_url(credential: Credential) -> str:
    return reverse("admin:accounts_credential_change", args=[credential.pk])


def add(client: Client, world: World, **changed: Any) -> Any:
    form = {
        "partner": str(world.partner.pk),
        "name": "production backend",
        "permissions": list(DEFAULT_PERMISSIONS),
        "integrations": [str(world.integration.pk)],
        "expires_at_0": "",
        "expires_at_1": "",
    }
    return client.post(ADD, form | changed)


def test_the_secrets_are_shown_once_and_open_the_api(boss: Client, world: World) -> None:
    response = add(boss, world)
    page = response.content.decode()
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    (api_key,) = re.findall(r"pbk_[\w-]+", page)
    (client_secret,) = re.findall(r"pbs_[\w-]+", page)
    made = Credential.objects.get(name="production backend")
    now = timezone.now()
    assert credentials.by_bearer(api_key, now=now) == made
    assert credentials.by_client_secret(made.client_id, client_secret, now=now) == made
    for url in (LIST, change_url(made), f"{change_url(made)[:-7]}history/", "/admin/"):
        later = boss.get(url).content.decode()
        assert api_key not in later
        assert client_secret not in later


def test_the_secrets_are_kept_in_no_session_message_cookie_or_log(boss: Client, world: World) -> None:
    response = add(boss, world)
    secrets = re.findall(r"pb[ks]_[\w-]+", response.content.decode())
    assert len(secrets) == 2
    kept = [str(session.get_decoded()) for session in Session.objects.all()]
    kept += [str(morsel) for morsel in response.cookies.values()]
    kept += [str(entry.changes) for entry in AuditEntry.objects.all()]
    kept += [entry.change_message + entry.object_repr for entry in LogEntry.objects.all()]
    assert kept
    assert not [secret for secret in secrets for text in kept if secret in text]


def test_a_credential_may_use_what_was_ticked_and_nothing_else(boss: Client, world: World) -> None:
    other = factories.integration("xrdev", "xero", client_id="X" * 32)
    add(boss, world)
    made = Credential.objects.get(name="production backend")
    assert list(made.integration_grants.values_list("integration__slug", flat=True)) == ["hbdev"]
    form = {"name": "production backend", "permissions": ["proxy"], "integrations": [str(other.pk)]}
    assert boss.post(change_url(made), form | {"expires_at_0": "", "expires_at_1": ""}).status_code == 302
    made.refresh_from_db()
    assert made.permissions == ["proxy"]
    assert list(made.integration_grants.values_list("integration__slug", flat=True)) == ["xrdev"]
    entry = AuditEntry.objects.filter(action="credential.integrations_changed").latest("at")
    assert entry.changes == {"added": ["xrdev"], "removed": ["hbdev"]}


def test_handing_out_tokens_is_not_ticked_at_first(boss: Client) -> None:
    page = boss.get(ADD).content.decode()
    assert re.search(r'value="proxy"[^>]*checked', page)
    assert re.search(r'value="tokens:read"', page)
    assert not re.search(r'value="tokens:read"[^>]*checked', page)


def test_an_unknown_permission_and_a_past_expiry_are_refused(boss: Client, world: World) -> None:
    assert b"is not one of the available choices" in add(boss, world, permissions=["everything"]).content
    assert (
        b"This is in the past" in add(boss, world, expires_at_0="2020-01-01", expires_at_1="00:00:00").content
    )
    assert Credential.objects.count() == 1


def test_a_credential_is_revoked_after_a_question(boss: Client, world: World) -> None:
    url = f"{change_url(world.credential)[:-7]}revoke/"
    IssuedToken.objects.create(token_sha256="0" * 64, credential=world.credential, expires_at=timezone.now())
    assert b"cannot be undone" in boss.get(url).content
    world.credential.refresh_from_db()
    assert world.credential.revoked_at is None
    assert boss.post(url).status_code == 302
    world.credential.refresh_from_db()
    assert world.credential.revoked_at is not None
    assert not IssuedToken.objects.exists()
    assert credentials.by_bearer(world.api_key, now=timezone.now()) is None
    page = boss.get(change_url(world.credential)).content.decode()
    assert "revoked" in page
    assert 'name="name"' not in page


def test_only_those_who_may_change_credentials_may_revoke(staff: Any, world: World) -> None:
    url = f"{change_url(world.credential)[:-7]}revoke/"
    assert staff("view_credential").post(url).status_code == 403
    assert staff().get(url).status_code == 403
    assert Client().post(url).status_code == 302
    world.credential.refresh_from_db()
    assert world.credential.revoked_at is None
    assert staff("change_credential").post(url).status_code == 302
    world.credential.refresh_from_db()
    assert world.credential.revoked_at is not None


def test_a_credential_is_never_deleted(boss: Client, world: World) -> None:
    assert boss.post(f"{change_url(world.credential)[:-7]}delete/", {"post": "yes"}).status_code == 403
    assert Credential.objects.exists()


def test_staff_who_may_only_view_see_what_it_may_use(staff: Any, world: World) -> None:
    page = staff("view_credential").get(change_url(world.credential)).content.decode()
    assert "hbdev" in page
    assert world.credential.client_id in page
    assert 'name="name"' not in page
