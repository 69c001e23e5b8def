"""From what stands in `/connect/…` to the link, and back for a retry.

After the callback only the link's hash is known. So that a result page can offer to try again, a signed form of
the link's id serves in the token's place; only the browser that made the attempt gets to see it, and the link's
own expiry bounds it.
"""

from __future__ import annotations

import uuid

from django.core import signing
from django.urls import reverse

from integrations import connect, errors
from integrations.models import ConnectLink

_SALT = "integrations.pages.links"
_MAX_CHARACTERS = 256


def find(token: str) -> ConnectLink:
    """The link of a token, or of a path from again_path. Raises errors.NotFound."""
    if len(token) > _MAX_CHARACTERS:
        raise errors.NotFound("There is no such link.")
    return _find_signed(token) if ":" in token else connect.find_link(token)


def again_path(link: ConnectLink) -> str:
    """The path of the confirm page of a link whose token is not at hand."""
    return reverse("connect", args=[signing.Signer(salt=_SALT).sign(link.id.hex)])


def _find_signed(signed: str) -> ConnectLink:
    rows = ConnectLink.objects.select_related("partner", "integration", "connection__customer")
    try:
        link_id = uuid.UUID(signing.Signer(salt=_SALT).unsign(signed))
        return rows.get(pk=link_id)
    except (signing.BadSignature, ValueError, ConnectLink.DoesNotExist) as error:
        raise errors.NotFound("There is no such link.") from error
