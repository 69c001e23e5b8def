"""Header fields across the proxy: what stays on its side, both ways (RFC 9110 section 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from accounts.api.problems import invalid
from proxy import credentials
from proxy.credentials import Field, Places, Presented

PREFIX = b"patchbay-"
#: Connection-level fields: meant for the next hop alone.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade".split()
)
#: Ours to write, the partner's secrets, and what would tell the provider of our network (PRX-12, PRX-13).
_NEVER_SENT = (
    _HOP_BY_HOP
    | frozenset(
        b"host content-length expect authorization cookie cookie2 forwarded via x-real-ip x-client-ip "
        b"x-cluster-client-ip true-client-ip fastly-client-ip".split()
    )
    | {b"x-original-url", b"x-rewrite-url"}
)  # some servers route by these, past the closed paths
_NEVER_SENT_PREFIXES = (PREFIX, b"x-forwarded-", b"cf-")
#: A provider's cookies belong to its own site, not to this one (PRX-16).
_NEVER_RETURNED = _HOP_BY_HOP | {b"set-cookie", b"set-cookie2", b"patchbay-request-id"}
_REMOVED = b"[removed]"
#: a shorter token would be found where it is not meant
_SHORTEST_SOUGHT = 8
#: that of a 304 is what a 200 would have (RFC 9110 section 8.6)
_NO_LENGTH_STATUS_CODES = frozenset({204})
_VIA: Field = (b"via", b"1.1 patchbay")


@dataclass(slots=True)
class RequestFields:
    """A request's header section, sorted: what goes on, what is for us, how its content is framed."""

    kept: list[Field] = field(default_factory=list)
    controls: dict[bytes, bytes] = field(default_factory=dict)
    presented: Presented | None = None
    content_length: int | None = None
    is_chunked: bool = False
    refused: tuple[str, str] | None = None

    @property
    def has_content(self) -> bool:
        return self.is_chunked or self.content_length is not None

    def require_sendable(self) -> None:
        """Raises Problem (400, naming the field) for a value that is not ASCII, a transfer coding that is not
        chunked, and a field for us that is there twice."""
        if self.refused is not None:
            raise invalid(*self.refused)

    def refuse(self, name: bytes, detail: str) -> None:
        """Remember the first field that cannot be used."""
        if self.refused is None:
            self.refused = _text(name), detail


def sort_request(fields: Iterable[Field], places: Places) -> RequestFields:
    """Sort the fields of a request; names are in lower case, order and repeats are kept.

    Removes what is listed above, every place of the provider's credential, and fields that Connection
    nominates. Refuses nothing yet, so that whoever calls can be asked for the credential first.
    """
    found = RequestFields()
    kept = found.kept
    nominated: bytes = b""
    from_authorization = from_place = None
    for pair in fields:
        name, value = pair
        if name in places.header_schemes:
            from_place = from_place or credentials.from_place(value, places.header_schemes[name])
        elif name in _NEVER_SENT:
            if name == b"authorization":
                from_authorization = from_authorization or credentials.from_authorization(value, places.words)
            elif name == b"content-length":
                found.content_length = int(value) if value.isdigit() else 0
            elif name == b"transfer-encoding":
                found.is_chunked = True
                if value.strip().lower() != b"chunked":
                    found.refuse(name, "The only transfer coding that is undone here is chunked.")
            elif name == b"connection":
                nominated = nominated + b"," + value
        elif name.startswith(PREFIX):
            if name in found.controls:
                found.refuse(name, "This header field is there twice.")
            found.controls[name] = value
        elif not name.startswith(_NEVER_SENT_PREFIXES) and name not in places.dropped:
            if b"_" in name and _is_held_back(name.replace(b"_", b"-"), places):
                continue  # a server that hands fields on by CGI's names would take one for the other
            if not value.isascii():
                found.refuse(name, "The value of this header field is not ASCII.")
            kept.append(pair)
    found.presented = from_authorization or from_place
    if nominated:
        found.kept = _without(kept, nominated)
    return found


def _is_held_back(name: bytes, places: Places) -> bool:
    return (
        name in _NEVER_SENT
        or name.startswith(_NEVER_SENT_PREFIXES)
        or name in places.dropped
        or name in places.header_schemes
    )


def reply_fields(
    raw_headers: Iterable[Field], *, status: int, request_id: str, is_head: bool = False, token: bytes = b""
) -> list[Field]:
    """The header section for the partner: the provider's, less what is this hop's, and our three fields.

    Where the provider repeats the customer's token, as in the Location after a call with the token in its
    query, "[removed]" stands instead.
    """
    is_sought = len(token) >= _SHORTEST_SOUGHT
    has_length = is_head or status not in _NO_LENGTH_STATUS_CODES
    nominated: bytes = b""
    fields: list[Field] = []
    for name, value in raw_headers:
        lower = name.lower()
        if lower in _NEVER_RETURNED:
            if lower == b"connection":
                nominated = nominated + b"," + value
        elif has_length or lower != b"content-length":
            if is_sought and token in value:
                value = value.replace(token, _REMOVED)
            fields.append((lower, value))
    if nominated:
        fields = _without(fields, nominated)
    fields += (_VIA, _proxy_status(status), (b"patchbay-request-id", request_id.encode("ascii")))
    return fields


@lru_cache(maxsize=1024)
def _proxy_status(status: int) -> Field:
    return b"proxy-status", b"patchbay; received-status=%d" % status


def _without(fields: list[Field], nominated: bytes) -> list[Field]:
    """The fields that no Connection option names. Framing cannot be named away."""
    names = {option.strip().lower() for option in nominated.split(b",")} - {b"content-length", b""}
    return [pair for pair in fields if pair[0] not in names]


def _text(name: bytes) -> str:
    return "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
