"""What the customer and the operator can do about a connection now, in a sentence each."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.models import Connection
from integrations.models.connection import Status


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence for whoever uses the connection, one for whoever runs the platform."""

    customer: str
    operator: str


_NOTHING = "Nothing to do."
_BY_STATUS: dict[str, Advice] = {
    Status.ACTIVE: Advice(_NOTHING, _NOTHING),
    Status.PENDING: Advice(
        "Open the connect link and finish connecting.", "Send a new connect link if the old one has expired."
    ),
    Status.REFRESH_FAILING: Advice(
        "Nothing to do: it goes on by itself once the provider answers again.",
        "Look at the provider's status page and at the evidence of the last failure; tries go on by themselves.",
    ),
    Status.RECONNECT_REQUIRED: Advice(
        "Connect again with the reconnect link; the connection keeps its UUID.",
        "Send the customer the reconnect link; nothing else brings the grant back.",
    ),
    Status.PAUSED: Advice(
        "Resume the connection to use it again.", "Resume it; what was broken before is still broken."
    ),
    Status.DISCONNECTED: Advice(
        "Connect anew with a new connect link.",
        "A new connect link makes a new connection with its own UUID.",
    ),
}
_BY_REASON: dict[str, Advice] = {
    "refresh_token_expired": Advice(
        "Connect again: the provider ends a grant that is old or was not used for too long.",
        "Send the reconnect link, and compare the provider's lifetimes with how often it is used.",
    ),
    "refused_repeatedly": Advice(
        "Connect again with the reconnect link.",
        "The provider gave an answer that its file has no rule for: look at the evidence, and add a verdict.",
    ),
    "not_refreshable": Advice(
        "Connect again: the provider gave nothing to renew the access with.",
        "See whether the provider gives a refresh token only for a scope or parameter that is not asked for.",
    ),
    "no_refresh_token": Advice(
        "Connect again when the access ends: the provider gave nothing to renew it with.",
        "See whether the provider gives a refresh token only for a scope or parameter that is not asked for.",
    ),
    "scope_withdrawn": Advice(
        "Connect again and grant every permission that is asked for.",
        "Compare the scopes of the integration with those of the app at the provider.",
    ),
}
_CLIENT_REJECTED = Advice(
    "Nothing to do: the app's operator has to correct its credentials.",
    "Correct the client secret of the integration; all of its connections then go on by themselves.",
)
_UNREADABLE = Advice(
    "Nothing to do: the operator has to restore a key.",
    "A stored token cannot be read with the present FERNET_KEYS: restore the key that is missing.",
)
_QUARANTINED = Advice(
    _NOTHING,
    "Refreshing it has ended its process several times: it is refreshed at use and by hand only. Read the log.",
)
_IN_TROUBLE = Advice(
    _NOTHING, "The last refresh failed and the present token still serves; tries go on by themselves."
)
_ENDED = frozenset({Status.RECONNECT_REQUIRED, Status.PAUSED, Status.DISCONNECTED, Status.PENDING})


def advise(connection: Connection, *, has_trouble: bool) -> Advice:
    """has_trouble: the last refresh failed. Opens the stored tokens to see whether they can be read."""
    if connection.status not in _ENDED:
        if not _is_readable(connection):
            return _UNREADABLE
        if connection.client is not None and connection.client.rejected_since is not None:
            return _CLIENT_REJECTED
        if connection.refresh_quarantined_at is not None:
            return _QUARANTINED
    if connection.status != Status.PAUSED and connection.status_reason in _BY_REASON:
        return _BY_REASON[connection.status_reason]
    if connection.status == Status.ACTIVE and has_trouble:
        return _IN_TROUBLE
    return _BY_STATUS[connection.status]


def _is_readable(connection: Connection) -> bool:
    stored = (connection.access_token, connection.refresh_token)
    return all(sealed.is_readable() for sealed in stored if sealed is not None)
