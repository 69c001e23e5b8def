"""`manage.py seed_demo`: a superuser, a partner with its key, and the integration `hbdev` on the sandbox."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts import credentials, partners
from accounts.audit import Actor
from accounts.models import Credential, Partner
from integrations import grants, setup
from integrations.models import Integration
from sealing import Secret

_ACTOR = Actor.system("demo")
_PARTNER = "Acme Sync"
_ADMIN = "admin"
SLUG = "hbdev"


def pending_path() -> Path:
    """Where demo.json waits until the platform is ready (see demo_guide)."""
    return Path(settings.DATA_DIR) / "demo.json.pending"


def demo_path() -> Path:
    return Path(settings.DATA_DIR) / "demo.json"


class Command(BaseCommand):
    help = "Seed the demo. Runs again without harm: what is there is kept, and demo.json is made anew if it is lost."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("The demo is for development; PATCHBAY_ENV is production.")
        known = _known()
        with transaction.atomic():
            integration = _integration()
            answers = {
                "baseUrl": settings.PUBLIC_URL,
                "adminUrl": f"{settings.PUBLIC_URL}/admin/",
                "adminUsername": _ADMIN,
                "adminPassword": _admin_password(known),
                **_credential(known, integration),
                "appSlug": SLUG,
                "sandboxUrl": f"http://127.0.0.1:{os.environ.get('SANDBOX_PORT', '8100')}",
            }
        _write(pending_path(), answers)
        demo_path().unlink(missing_ok=True)


def _known() -> dict[str, Any]:
    """What an earlier start has written, if it is still there."""
    for path in (demo_path(), pending_path()):
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return {}


def _write(path: Path, answers: dict[str, Any]) -> None:
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        json.dump(answers, file, indent=2)
        file.write("\n")


def _admin_password(known: dict[str, Any]) -> str:
    users = get_user_model().objects
    user = users.filter(username=_ADMIN).first()
    password = known.get("adminPassword", "")
    if user is not None and password and user.check_password(password):
        return str(password)
    password = secrets.token_urlsafe(15)
    if user is None:
        users.create_superuser(_ADMIN, "admin@example.com", password)
    else:
        user.set_password(password)
        user.save(update_fields=["password"])
    return password


def _credential(known: dict[str, Any], integration: Integration) -> dict[str, str]:
    """The demo's secrets: kept while they still open, since only their digests are stored."""
    partner = _partner()
    credential = Credential.objects.filter(
        partner=partner, revoked_at=None, api_key_sha256=credentials.sha256(str(known.get("apiKey", "")))
    ).first()
    if credential is not None:
        return {name: str(known[name]) for name in ("clientId", "clientSecret", "apiKey")}
    new = credentials.create(partner, name="demo", actor=_ACTOR)
    grants.replace(new.credential, [integration], actor=_ACTOR)
    return {
        "clientId": new.credential.client_id,
        "clientSecret": new.client_secret,
        "apiKey": new.api_key,
    }


def _partner() -> Partner:
    """The demo's partner, whose customers may come back to the platform itself, at whatever port it is now."""
    partner = Partner.objects.filter(name=_PARTNER).first()
    if partner is None:
        origins = [settings.PUBLIC_URL, "http://localhost:3000"]
        return partners.create(name=_PARTNER, actor=_ACTOR, allowed_return_origins=origins)
    if settings.PUBLIC_URL not in partner.allowed_return_origins:
        origins = [settings.PUBLIC_URL, *partner.allowed_return_origins]
        partners.update(partner, actor=_ACTOR, allowed_return_origins=origins)
    return partner


def _integration() -> Integration:
    """`hbdev` with the credentials of the sandbox's demo app."""
    known = Integration.objects.filter(slug=SLUG).first()
    if known is not None:
        return known
    values = setup.IntegrationValues(
        client_id=os.environ["SANDBOX_DEMO_CLIENT_ID"],
        client_secret=Secret(os.environ["SANDBOX_DEMO_CLIENT_SECRET"]),
        app_id=os.environ.get("SANDBOX_DEMO_APP_ID", ""),
        environment="dev",
        required_scopes=os.environ.get("SANDBOX_DEMO_SCOPES", "").split(),
        optional_scopes=os.environ.get("SANDBOX_DEMO_OPTIONAL_SCOPES", "").split(),
    )
    return setup.create("hubspot", SLUG, values, actor=_ACTOR)
