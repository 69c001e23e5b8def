"""Query parameters and path parts: read once, checked, and named in the error when they are not right."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from rest_framework.request import Request

from accounts.api.problems import invalid

_MAX_SHOWN = 64


def require_known(request: Request, known: Collection[str]) -> None:
    """Refuse parameters that a list does not know: a mistyped filter would return everybody's rows."""
    for name in request.query_params:
        if name not in known:
            raise invalid(name[:_MAX_SHOWN], "This call has no such parameter.")
        if len(request.query_params.getlist(name)) > 1:
            raise invalid(name, "The parameter is given more than once.")


def canonical_uuid(text: str) -> uuid.UUID | None:
    """The UUID of a path in its usual form, or None: whatever else stands there names nothing."""
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text.lower() else None
