"""Authentication of proxy calls: the partner's credential may also stand where the provider's own would."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import credentials
from accounts.api.authentication import Caller, PartnerAuthentication, decode_basic
from accounts.models import Credential
from proxy import finding
from proxy.credentials import Presented


@dataclass(slots=True)
class Admission:
    """What a call shows, and who that is when it is known already. Attached to the Django request."""

    presented: Presented | None
    caller: Caller | None = None


def attach(request: Request, admission: Admission) -> None:
    """Let ProxyAuthentication see it."""
    request._request.patchbay_admission = admission  # type: ignore[attr-defined]  # ours, read below


class ProxyAuthentication(BaseAuthentication):
    """DRF authentication of what the view has found in the request; asks the database unless it is known."""

    def authenticate(self, request: Request) -> tuple[Caller, Credential] | None:
        admission: Admission = request._request.patchbay_admission  # type: ignore[attr-defined]
        caller = admission.caller or find_caller(admission.presented)
        return None if caller is None else (caller, caller.credential)

    def authenticate_header(self, request: Request) -> str:
        return PartnerAuthentication().authenticate_header(request)


def find_caller(presented: Presented | None) -> Caller | None:
    """Asks for the credential alone: its use is noted off the path, where a locked row holds up nobody."""
    if presented is None:
        return None
    scheme, _, rest = presented.value.partition(" ")
    now = timezone.now()
    if presented.kind == "key":
        found = finding.by_bearer(presented.value, now=now)
    elif scheme == "Basic":
        client_id, client_secret = decode_basic(rest)
        found = credentials.by_client_secret(client_id, client_secret, now=now)
    else:
        found = finding.by_bearer(rest, now=now) if rest else None
    if found is None:
        raise AuthenticationFailed("The credential is not known, has expired or was revoked.")
    return Caller(found)
