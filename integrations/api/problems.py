"""What each error of integrations is to a caller of the API: registered once, when the app is ready."""

from __future__ import annotations

from accounts.api.problems import Problem, invalid, register
from integrations import errors
from sealing import UnreadableSecret

_UNREADABLE = (
    "A stored key of this connection cannot be read; the connection itself is unchanged. The operator of this "
    "installation has to put the key that sealed it back into FERNET_KEYS, or the customer has to reconnect."
)


def _ambiguous(error: errors.ConnectionAmbiguous) -> Problem:
    return Problem("connection_ambiguous", str(error), {"field": "connectionName", "names": error.names})


def _reconnect(error: errors.ReconnectRequired) -> Problem:
    members = {"reason": error.reason}
    if error.reconnect_url:
        members["reconnectUrl"] = error.reconnect_url
    return Problem("reconnect_required", str(error), members)


def _refresh_unavailable(error: errors.RefreshUnavailable) -> Problem:
    return Problem("refresh_unavailable", str(error), {"retryAfter": error.retry_after})


def _link(error: errors.LinkUnusable) -> Problem:
    return Problem(f"link_{error.reason}", str(error))


def _callback(error: errors.CallbackRefused) -> Problem:
    return Problem("invalid_request", str(error), {"field": "state", "reason": error.reason})


def _connect_failed(error: errors.ConnectFailed) -> Problem:
    return Problem("upstream_unreachable", str(error), {"reason": error.reason})


def _provider(error: errors.ProviderError) -> Problem:
    """Their failure, not ours: 504 when they were too slow, 502 for the rest. The evidence is for staff alone."""
    is_late = isinstance(error, errors.ProviderUnavailable) and error.timed_out
    return Problem("upstream_timeout" if is_late else "upstream_unreachable", str(error))


register(errors.NotFound, lambda error: Problem("not_found", str(error)))
register(errors.ConnectionNotFound, lambda error: Problem("connection_not_found", str(error)))
register(errors.ConnectionAmbiguous, _ambiguous)
register(errors.ConnectionPaused, lambda error: Problem("connection_paused", str(error)))
register(errors.ReconnectRequired, _reconnect)
register(errors.RefreshUnavailable, _refresh_unavailable)
register(errors.LinkUnusable, _link)
register(errors.InvalidInput, lambda error: invalid(error.field, str(error)))
register(errors.CallbackRefused, _callback)
register(errors.ConnectFailed, _connect_failed)
register(errors.ProviderError, _provider)
register(
    UnreadableSecret,
    lambda error: Problem(
        "refresh_unavailable", _UNREADABLE, {"retryAfter": 60, "reason": "unreadable_secret"}
    ),
)
