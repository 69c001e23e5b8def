"""Making, checking and ending the secrets that partners call with."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import Credential, IssuedToken, Partner
from accounts.models.partner import default_permissions

_SECRET_BYTES = 32  # 256 bits
LAST_USED_STEP = timedelta(minutes=10)
#: compared against when a client id is unknown, so that both cases take the same time.
_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True, repr=False)
class NewCredential:
    """A credential just made, with the secrets that are shown once and then never again."""

    credential: Credential
    client_secret: str
    api_key: str

    def __repr__(self) -> str:
        return f"NewCredential({self.credential.client_id})"


def sha256(secret: str) -> str:
    """What is stored of a secret. Fast on purpose: the input has 256 random bits, so a slow hash adds nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def create(
    partner: Partner,
    *,
    name: str,
    actor: audit.Actor,
    permissions: list[str] | None = None,
    expires_at: datetime | None = None,
) -> NewCredential:
    """Make a credential of partner. The caller shows the two secrets once."""
    api_key = f"pbk_{secrets.token_urlsafe(_SECRET_BYTES)}"
    client_secret = f"pbs_{secrets.token_urlsafe(_SECRET_BYTES)}"
    with transaction.atomic():
        credential = Credential.objects.create(
            partner=partner,
            name=name,
            client_id=f"pbc_{secrets.token_hex(12)}",
            client_secret_sha256=sha256(client_secret),
            api_key_sha256=sha256(api_key),
            api_key_last4=api_key[-4:],
            permissions=default_permissions() if permissions is None else permissions,
            expires_at=expires_at,
        )
        audit.record(
            "credential.created", credential, actor=actor, changes={"permissions": credential.permissions}
        )
    return NewCredential(credential, client_secret, api_key)


def revoke(credential: Credential, *, actor: audit.Actor) -> bool:
    """End a credential and every token issued on it. False when it was revoked already."""
    with transaction.atomic():
        ended = Credential.objects.filter(pk=credential.pk, revoked_at=None).update(revoked_at=timezone.now())
        if ended:
            IssuedToken.objects.filter(credential=credential).delete()
            audit.record("credential.revoked", credential, actor=actor)
    return bool(ended)


def by_bearer(token: str, *, now: datetime) -> Credential | None:
    """The live credential of an API key or of an issued access token, or None."""
    digest = sha256(token)
    live = Credential.objects.live(now).select_related("partner")
    found = live.filter(api_key_sha256=digest).first()
    if found is None:
        found = live.filter(issued_tokens__token_sha256=digest, issued_tokens__expires_at__gt=now).first()
    return found


def by_client_secret(client_id: str, client_secret: str, *, now: datetime) -> Credential | None:
    """The live credential of a client id and client secret, compared in constant time, or None."""
    is_sayable = "\x00" not in client_id  # PostgreSQL has no such text
    known = Credential.objects.live(now).select_related("partner").filter(client_id=client_id[:64])
    found = known.first() if is_sayable else None
    expected = found.client_secret_sha256 if found else _NO_DIGEST
    is_right = hmac.compare_digest(sha256(client_secret), expected)
    return found if is_right else None


def note_use(credential: Credential, *, now: datetime) -> None:
    """Remember when the credential was last used, in steps of LAST_USED_STEP: calls must not cost a write each."""
    if credential.last_used_at is None or now - credential.last_used_at >= LAST_USED_STEP:
        Credential.objects.filter(pk=credential.pk).update(last_used_at=now)
        credential.last_used_at = now


def issue_token(credential: Credential, *, now: datetime) -> tuple[str, int]:
    """(access token, seconds it lives) for the client credentials grant (RFC 6749 section 4.4)."""
    token = f"pbt_{secrets.token_urlsafe(_SECRET_BYTES)}"
    seconds = settings.ISSUED_TOKEN_SECONDS
    IssuedToken.objects.create(
        token_sha256=sha256(token), credential=credential, expires_at=now + timedelta(seconds=seconds)
    )
    return token, seconds
