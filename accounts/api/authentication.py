"""The three ways in which a partner names its credential (contract section 2)."""

from __future__ import annotations

import base64
import binascii

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import credentials
from accounts.models import Credential, Partner

_REFUSED = "The credential is not known, has expired or was revoked."


class Caller:
    """Who calls: stands where DRF expects a user."""

    is_authenticated = True
    is_active = True

    def __init__(self, credential: Credential) -> None:
        self.credential = credential
        self.partner: Partner = credential.partner

    def may(self, permission: str) -> bool:
        return permission in self.credential.permissions

    def __str__(self) -> str:
        return str(self.credential)


def from_authorization(field_value: str) -> Credential | None:
    """The credential that an Authorization field names, None for a scheme that is not ours.

    Raises AuthenticationFailed when the scheme is ours and the credential is not good.
    """
    scheme, _, rest = field_value.strip().partition(" ")
    scheme, rest = scheme.lower(), rest.strip()
    if scheme == "bearer":
        found = credentials.by_bearer(rest, now=timezone.now()) if rest else None
    elif scheme == "basic":
        client_id, client_secret = decode_basic(rest)
        found = credentials.by_client_secret(client_id, client_secret, now=timezone.now())
    else:
        return None
    if found is None:
        raise AuthenticationFailed(_REFUSED)
    credentials.note_use(found, now=timezone.now())
    return found


def decode_basic(encoded: str) -> tuple[str, str]:
    """(client id, client secret) of RFC 7617 credentials. Raises AuthenticationFailed."""
    try:
        decoded = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise AuthenticationFailed(
            "The Basic credentials are not base64 of clientId:clientSecret."
        ) from error
    client_id, separator, client_secret = decoded.partition(":")
    if not separator:
        raise AuthenticationFailed("The Basic credentials lack the colon between clientId and clientSecret.")
    return client_id, client_secret


class PartnerAuthentication(BaseAuthentication):
    """DRF authentication: `request.user` is a Caller, `request.auth` its Credential."""

    def authenticate(self, request: Request | HttpRequest) -> tuple[Caller, Credential] | None:
        field_value = request.META.get("HTTP_AUTHORIZATION", "")
        credential = from_authorization(field_value) if field_value else None
        return None if credential is None else (Caller(credential), credential)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="patchbay"'
